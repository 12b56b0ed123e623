// SPDX-License-Identifier: Apache-2.0
// Where the job secret comes from, and which sources are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "threads.hpp"
#include "variables.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::HasSubstr;
using testing::lookup_in;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;
using testing::Variables;

/// A file that is gone after the test.
class SecretFile {
 public:
  SecretFile(const std::string& content, mode_t mode) {
    const int fd = ::mkstemp(path_.data());
    EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::fchmod(fd, mode);
    ::close(fd);
  }
  ~SecretFile() { std::filesystem::remove(path_); }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "banyan-secret-XXXXXX";
};

Outcome secret_refusal(const Variables& variables) {
  return run_ranks(1, [&](int) { static_cast<void>(job_secret(lookup_in(variables))); })[0];
}

const std::string kDigits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(JobSecret, ComesFromAPrivateFile) {
  const SecretFile file(kDigits + "\n", 0600);
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET_FILE", file.path()}})).bytes()[1], 0x11);
}

TEST(JobSecret, FileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0620}) {
    const SecretFile file(kDigits, mode);
    const Outcome outcome = secret_refusal({{"BANYAN_JOB_SECRET_FILE", file.path()}});
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_AUTH);
    EXPECT_THAT(text_of(outcome), HasSubstr("chmod 600"));
  }
}

TEST(JobSecret, LinkAndDeviceAreRefused) {
  const SecretFile file(kDigits, 0600);
  const std::string link = file.path() + ".link";
  std::filesystem::create_symlink(file.path(), link);
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_JOB_SECRET_FILE", link}})), BANYAN_ERR_AUTH);
  std::filesystem::remove(link);
  EXPECT_THAT(text_of(secret_refusal({{"BANYAN_JOB_SECRET_FILE", "/dev/zero"}})), HasSubstr("is not a plain file"));
}

TEST(JobSecret, FileBeatsVariableAndVariableBeatsInsecure) {
  const SecretFile file(kDigits, 0600);
  const std::string other(64, 'f');
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET_FILE", file.path()}, {"BANYAN_JOB_SECRET", other}})).bytes()[0],
            0);
  EXPECT_EQ(job_secret(lookup_in({{"BANYAN_JOB_SECRET", other}, {"BANYAN_INSECURE", "1"}})).bytes()[0], 0xff);
}

TEST(JobSecret, NoneIsAnErrorThatSaysWhatToSet) {
  const Outcome outcome = secret_refusal({});
  EXPECT_EQ(status_of(outcome), BANYAN_ERR_AUTH);
  EXPECT_THAT(text_of(outcome), HasSubstr("set BANYAN_JOB_SECRET_FILE"));
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_INSECURE", "0"}})), BANYAN_ERR_AUTH);
}

TEST(JobSecret, InsecureByNameIsAllowed) {
  EXPECT_EQ(status_of(secret_refusal({{"BANYAN_INSECURE", "1"}})), BANYAN_OK);
}

}  // namespace
}  // namespace banyan::bootstrap
