// SPDX-License-Identifier: Apache-2.0
#include "banyan/profile.h"

#include "base/file.hpp"
#include "c_api/boundary.hpp"
#include "c_api/handles.hpp"
#include "cost/render.hpp"
#include "profiler/measure.hpp"

using banyan::c_api::c_boundary;
using banyan::c_api::complete;
using banyan::c_api::copy_string;
using banyan::c_api::require;

extern "C" {

banyan_status banyan_profile_measure(banyan_comm* comm, const banyan_profile_config* config, banyan_profile** profile) {
  return c_boundary([&] {
    banyan_comm& c = require(comm, "comm");
    auto& out = require(profile, "profile");
    const auto full = complete(config, "config");
    banyan::profiler::MeasureOptions options;
    if (full.budget_s != 0) {
      options.budget_s = full.budget_s;
    }
    if (full.max_bytes != 0) {
      options.max_bytes = full.max_bytes;
    }
    if (full.resume_file != nullptr) {
      options.resume_file = full.resume_file;
    }
    if (full.progress != nullptr) {
      options.progress = [&full](int done, int total, const char* probe, double eta_s) {
        full.progress(done, total, probe, eta_s, full.progress_context);
      };
    }
    out = new banyan_profile{banyan::profiler::measure(*c.engine, options)};
  });
}

banyan_status banyan_profile_load(const char* path, banyan_profile** profile) {
  return c_boundary([&] {
    const std::string name = &require(path, "path");
    auto& out = require(profile, "profile");
    out = new banyan_profile{banyan::cost::profile_from_json(banyan::file::read(name)).value(name)};
  });
}

banyan_status banyan_profile_export(const banyan_profile* profile, banyan_format format, char** text) {
  return c_boundary([&] {
    const auto& p = require(profile, "profile").profile;
    auto& out = require(text, "text");
    switch (format) {
      case BANYAN_FORMAT_TEXT:
        out = copy_string(banyan::cost::render_profile_text(p));
        return;
      case BANYAN_FORMAT_JSON:
        out = copy_string(banyan::cost::to_json(p));
        return;
      case BANYAN_FORMAT_SVG:
        out = copy_string(banyan::cost::render_profile_svg(p));
        return;
      default:
        throw banyan::Error(BANYAN_ERR_NOT_SUPPORTED, "profiles are exported as TEXT, JSON or SVG");
    }
  });
}

void banyan_profile_free(banyan_profile* profile) { delete profile; }

}  // extern "C"
