// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/popularity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace banyan::moe {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointwise;

using Choices = std::vector<int64_t>;

void observe(Popularity& popularity, int layer, const Choices& choices, bool learn = true) {
  popularity.observe(layer, choices, choices.size() / static_cast<size_t>(popularity.terms().top_k), learn);
}

PopularityTerms small(int layers, int experts) {
  PopularityTerms terms;
  terms.num_layers = layers;
  terms.num_experts = experts;
  terms.top_k = 1;
  terms.decay = 1;
  return terms;
}

TEST(Popularity, ByHandThenTheSumOverTokensOfWhatTheirPathsDid) {
  Popularity popularity(small(2, 4));
  observe(popularity, 0, {0, 0, 0, 0, 1, 1});
  observe(popularity, 1, {2, 2, 2, 3, 1, 1});
  observe(popularity, 0, {0, 1, 1, 1, 1});
  EXPECT_THAT(popularity.predict(), ElementsAre(0, 4, 0.75, 0.25));
  EXPECT_EQ(popularity.use().full_paths, 5U);
}

/// Layer i's expert of a token that had a and b in the layers before.
int64_t next(int64_t a, int64_t b) { return (3 * a + 5 * b + 1) % 7; }

TEST(Popularity, ChoiceFollowsFromTwoLayersThenPathsOfTwoForetellItAndPathsOfOneDoNot) {
  for (const int length : {1, 2}) {
    PopularityTerms terms = small(3, 7);
    terms.path_length = length;
    Popularity popularity(terms);
    std::mt19937 random(7);
    Choices first(500);
    Choices second(500);
    Choices third(500);
    for (int batch = 0; batch < 3; ++batch) {
      for (size_t token = 0; token < first.size(); ++token) {
        first[token] = batch == 2 ? 1 : random() % 7;  // the last batch is unlike the others
        second[token] = batch == 2 ? 2 : random() % 7;
        third[token] = next(second[token], first[token]);
      }
      observe(popularity, 0, first, batch < 2);
      observe(popularity, 1, second, batch < 2);
      if (batch < 2) {
        observe(popularity, 2, third);
      }
    }
    std::vector<double> truth(7, 0);
    for (const int64_t choice : third) {
      truth[static_cast<size_t>(choice)] += 1;
    }
    const auto predicted = popularity.predict();
    double error = 0;
    for (size_t expert = 0; expert < truth.size(); ++expert) {
      error += std::abs(predicted[expert] - truth[expert]);
    }
    if (length == 2) {
      EXPECT_LT(error, 1e-9);
    } else {
      EXPECT_GT(error, 500);
    }
  }
}

TEST(Popularity, UnknownPathThenItsNewerPartThenTheAverageThenAllAlike) {
  PopularityTerms terms = small(3, 4);
  terms.path_length = 2;
  Popularity popularity(terms);
  observe(popularity, 0, {0, 1});
  observe(popularity, 1, {0, 1});
  EXPECT_THAT(popularity.predict(), ElementsAre(0.5, 0.5, 0.5, 0.5)) << "layer 2 was never learnt";
  EXPECT_EQ(popularity.use().unknown, 2U);
  observe(popularity, 2, {2, 3});
  observe(popularity, 0, {0, 1, 3}, false);
  observe(popularity, 1, {0, 0, 3}, false);
  // Token 0 has path (0, 0); token 1's (1, 0) is unknown, but its newer part (0) is not; token 2's is unknown.
  EXPECT_THAT(popularity.predict(), ElementsAre(0, 0, 2.5, 0.5));
  EXPECT_EQ(popularity.use().full_paths, 1U);
  EXPECT_EQ(popularity.use().shorter_paths, 2U);
}

TEST(Popularity, DecayThenOldBatchesCountLess) {
  PopularityTerms terms = small(2, 2);
  terms.decay = 0.5;
  Popularity popularity(terms);
  for (const int64_t expert : {0, 0, 1}) {
    observe(popularity, 0, {0});
    observe(popularity, 1, {expert});
  }
  observe(popularity, 0, {0}, false);
  EXPECT_THAT(popularity.predict(), ElementsAre(0.75 / 1.75, 1 / 1.75));
}

TEST(Popularity, LongAgoThenForgotten) {
  PopularityTerms terms = small(2, 3);
  terms.decay = 0.01;
  Popularity popularity(terms);
  observe(popularity, 0, {2});
  observe(popularity, 1, {2});
  const size_t before = popularity.num_paths();
  for (int batch = 0; batch < 6; ++batch) {
    observe(popularity, 0, {0});
    observe(popularity, 1, {0});
  }
  EXPECT_EQ(popularity.num_paths(), before) << "path of expert 2 is gone, that of expert 0 came";
  observe(popularity, 0, {2}, false);
  EXPECT_THAT(popularity.predict(), Pointwise(DoubleNear(1e-9), {1.0, 0.0, 0.0}));
}

TEST(Popularity, OnlyDroppedChoicesForLongThenNoneAreExpected) {
  PopularityTerms terms = small(2, 3);
  terms.decay = 0.01;
  Popularity popularity(terms);
  observe(popularity, 0, {0});
  observe(popularity, 1, {2});
  for (int batch = 0; batch < 100; ++batch) {
    observe(popularity, 0, {0});
    observe(popularity, 1, {-1});
  }
  observe(popularity, 0, {0}, false);
  EXPECT_THAT(popularity.predict(), ElementsAre(0, 0, 0));
  EXPECT_TRUE(Popularity::from_json(popularity.to_json()).ok());
}

TEST(Popularity, DroppedChoicesThenFewerRows) {
  PopularityTerms terms = small(2, 3);
  terms.top_k = 2;
  Popularity popularity(terms);
  observe(popularity, 0, {0, 1, 0, -1});
  observe(popularity, 1, {2, 1, 2, -1});
  observe(popularity, 0, {0, 2, 0, 2}, false);
  EXPECT_THAT(popularity.predict(), ElementsAre(0, 1, 2));
}

TEST(Popularity, SeveralChoicesInThePathThenTheirOrderDoesNotMatter) {
  PopularityTerms terms = small(2, 4);
  terms.top_k = 2;
  terms.path_choices = 2;
  Popularity popularity(terms);
  observe(popularity, 0, {3, 1});
  observe(popularity, 1, {0, 2});
  observe(popularity, 0, {1, 3}, false);
  EXPECT_THAT(popularity.predict(), ElementsAre(1, 0, 1, 0));
  EXPECT_EQ(popularity.use().full_paths, 1U);
}

/// A popularity after random batches, and the number of tokens of the last, whose last layer was not observed.
struct Learnt {
  Popularity popularity;
  size_t tokens = 0;
};

Choices any_choices(size_t tokens, int top_k, int experts) {
  Choices choices;
  for (size_t token = 0; token < tokens; ++token) {
    std::vector<int64_t> order(static_cast<size_t>(experts));
    std::iota(order.begin(), order.end(), int64_t{0});
    for (int i = 0; i < top_k; ++i) {
      std::swap(order[static_cast<size_t>(i)], order[*rc::gen::inRange(static_cast<size_t>(i), order.size())]);
      choices.push_back(order[static_cast<size_t>(i)]);
    }
  }
  return choices;
}

Learnt any_learnt() {
  PopularityTerms terms;
  terms.num_layers = *rc::gen::inRange(2, 5);
  terms.num_experts = *rc::gen::inRange(1, 9);
  terms.top_k = *rc::gen::inRange(1, std::min(terms.num_experts, 3) + 1);
  terms.path_length = *rc::gen::inRange(1, 4);
  terms.path_choices = *rc::gen::inRange(1, terms.top_k + 1);
  terms.max_paths = *rc::gen::inRange(1, 30);
  terms.max_experts_per_path = *rc::gen::inRange(1, 5);
  terms.decay = *rc::gen::element(0.3, 0.9, 1.0);
  Learnt learnt{Popularity(terms), 0};
  const int batches = *rc::gen::inRange(1, 4);
  for (int batch = 0; batch < batches; ++batch) {
    learnt.tokens = *rc::gen::inRange<size_t>(0, 20);
    for (int layer = 0; layer < terms.num_layers - (batch + 1 == batches ? 1 : 0); ++layer) {
      observe(learnt.popularity, layer, any_choices(learnt.tokens, terms.top_k, terms.num_experts));
    }
  }
  return learnt;
}

TEST(Popularity, RandomThenAllRowsAreForetoldAndMemoryIsBounded) {
  EXPECT_TRUE(rc::check([] {
    Learnt learnt = any_learnt();
    const PopularityTerms& terms = learnt.popularity.terms();
    const auto load = learnt.popularity.predict();
    const auto rows = static_cast<double>(learnt.tokens) * terms.top_k;
    RC_ASSERT(std::abs(std::accumulate(load.begin(), load.end(), 0.0) - rows) <= 1e-9 * (rows + 1));
    RC_ASSERT(*std::min_element(load.begin(), load.end()) >= 0);
    const PopularityUse& use = learnt.popularity.use();
    RC_ASSERT(use.full_paths + use.shorter_paths + use.unknown == learnt.tokens);
    for (const PathTable& table : learnt.popularity.layers()) {
      RC_ASSERT(table.size() <= static_cast<size_t>(terms.max_paths));
      for (const auto& [key, path] : table) {
        RC_ASSERT(key.empty() || path.experts.size() <= static_cast<size_t>(terms.max_experts_per_path));
      }
    }
  }));
}

TEST(Popularity, RandomThenItsJsonIsReadBackAndForetellsTheSame) {
  EXPECT_TRUE(rc::check([] {
    Learnt learnt = any_learnt();
    const std::string json = learnt.popularity.to_json();
    Popularity again = Popularity::from_json(json).value("json");
    RC_ASSERT(again.terms() == learnt.popularity.terms());
    RC_ASSERT(again.layers() == learnt.popularity.layers());
    RC_ASSERT(again.to_json() == json);
  }));
}

TEST(Popularity, TokensInAnotherOrderThenTheSameIsLearnt) {
  EXPECT_TRUE(rc::check([] {
    PopularityTerms terms = small(3, 6);
    terms.decay = 0.7;
    terms.max_paths = 8;
    Popularity straight(terms);
    Popularity turned(terms);
    for (int batch = 0; batch < 3; ++batch) {
      for (int layer = 0; layer < 3; ++layer) {
        Choices choices = any_choices(12, 1, 6);
        observe(straight, layer, choices);
        std::reverse(choices.begin(), choices.end());
        observe(turned, layer, choices);
      }
    }
    RC_ASSERT(straight.to_json() == turned.to_json());
  }));
}

TEST(Popularity, NotLearningThenNothingChanges) {
  Popularity popularity(small(2, 3));
  observe(popularity, 0, {0, 1});
  observe(popularity, 1, {1, 2});
  const std::string before = popularity.to_json();
  observe(popularity, 0, {2, 2}, false);
  observe(popularity, 1, {0, 0}, false);
  EXPECT_EQ(popularity.to_json(), before);
}

void expect_rejected(Popularity& popularity, int layer, const Choices& choices, const std::string& text) {
  const std::string before = popularity.to_json();
  const int last = popularity.last_layer();
  try {
    observe(popularity, layer, choices);
    ADD_FAILURE() << "no error: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
  EXPECT_EQ(popularity.to_json(), before);
  EXPECT_EQ(popularity.last_layer(), last);
}

TEST(Popularity, BadChoicesThenNamedAndNothingChanges) {
  PopularityTerms terms = small(3, 4);
  terms.top_k = 2;
  Popularity popularity(terms);
  expect_rejected(popularity, 1, {0, 1}, "layer is 1; a batch begins with layer 0");
  expect_rejected(popularity, 3, {0, 1}, "layer is 3, must be 0 to 2");
  observe(popularity, 0, {0, 1, 2, 3});
  expect_rejected(popularity, 2, {0, 1, 2, 3}, "layer is 2, but the last one observed was 0");
  expect_rejected(popularity, 1, {0, 1}, "num_tokens is 1, but the batch has 2");
  expect_rejected(popularity, 1, {0, 1, 2, 4}, "topk_idx of token 1 has 4, must be 0 to 3");
  expect_rejected(popularity, 1, {0, -2, 2, 3}, "topk_idx of token 0 has -2");
  expect_rejected(popularity, 1, {0, 1, 3, 3}, "topk_idx of token 1 has 3 twice");
  observe(popularity, 1, {0, -1, -1, -1});
  observe(popularity, 2, {0, 1, 2, 3});
  EXPECT_THROW(static_cast<void>(popularity.predict()), Error) << "there is no layer 3";
}

TEST(Popularity, BadTermsThenNamed) {
  const auto text = [](auto change) {
    PopularityTerms terms = small(2, 4);
    change(terms);
    return problem_of(terms);
  };
  EXPECT_THAT(text([](auto& t) { t.num_layers = 0; }), HasSubstr("num_layers is 0"));
  EXPECT_THAT(text([](auto& t) { t.num_experts = 65537; }), HasSubstr("num_experts is 65537"));
  EXPECT_THAT(text([](auto& t) { t.top_k = 5; }), HasSubstr("top_k is 5, must be 1 to 4"));
  EXPECT_THAT(text([](auto& t) { t.path_length = 17; }), HasSubstr("path_length is 17"));
  EXPECT_THAT(text([](auto& t) { t.path_choices = 2; }), HasSubstr("path_choices is 2, must be 1 to 1"));
  EXPECT_THAT(text([](auto& t) { t.max_paths = -1; }), HasSubstr("max_paths is -1"));
  EXPECT_THAT(text([](auto& t) { t.decay = 1.5; }), HasSubstr("decay is 1.5"));
  EXPECT_THAT(text([](auto& t) { t.decay = NAN; }), HasSubstr("decay is nan"));
  EXPECT_EQ(text([](auto&) {}), "");
}

TEST(Popularity, BadJsonThenTheMemberIsNamed) {
  Popularity popularity(small(2, 4));
  observe(popularity, 0, {0, 3});
  observe(popularity, 1, {1, 2});
  const std::string good = popularity.to_json();
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const size_t at = bad.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bad.replace(at, from.size(), to);
    const auto result = Popularity::from_json(bad);
    EXPECT_FALSE(result.ok()) << to;
    return result.error().message;
  };
  EXPECT_THAT(refusal("banyan-popularity-1", "other"), HasSubstr("format"));
  EXPECT_THAT(refusal("\"num_layers\": 2", "\"num_layers\": 3"), HasSubstr("layers: has 2 entries, num_layers is 3"));
  EXPECT_THAT(refusal("\"top_k\": 1", "\"top_k\": 9"), HasSubstr("top_k is 9"));
  EXPECT_THAT(refusal("\"decay\"", "\"decoy\""), HasSubstr("decay: is missing"));
  EXPECT_THAT(refusal("\"tokens\": 2.0", "\"tokens\": -1"), HasSubstr("layers[0][0].tokens: expected 0 or a number"));
  EXPECT_THAT(refusal("\"choices\": 2.0", "\"choices\": 5"), HasSubstr("layers[0][0]: 2 tokens can't have made 5"));
  EXPECT_THAT(refusal("\"path\": []", "\"path\": [0]"), HasSubstr("layers[0][0].path: has 1 entries, more than 0"));
  EXPECT_THAT(Popularity::from_json("[]").error().message, HasSubstr("expected an object, found array"));
  EXPECT_FALSE(Popularity::from_json("{").ok());
}

}  // namespace
}  // namespace banyan::moe
