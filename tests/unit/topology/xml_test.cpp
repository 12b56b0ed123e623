// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/xml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::topology {
namespace {

using testing::HasSubstr;

TEST(Xml, ReadsElementsAttributesAndComments) {
  const auto result =
      parse_xml("<?xml version=\"1.0\"?>\n<!-- c --><a x='1' y=\"2\">\n  <b/><!-- <c> --><b z=\"\"></b>\n</a>\n");
  ASSERT_TRUE(result.ok()) << result.describe("xml");
  const XmlElement& root = result.value("xml");
  EXPECT_EQ(root.name, "a");
  EXPECT_EQ(*root.find("y"), "2");
  EXPECT_EQ(root.find("z"), nullptr);
  ASSERT_EQ(root.children.size(), 2U);
  EXPECT_EQ(root.children[1].line, 3);
  EXPECT_EQ(root.children[0].column, 3);
}

struct BadXml {
  const char* text;
  const char* message;
};

class XmlRejects : public testing::TestWithParam<BadXml> {};

TEST_P(XmlRejects, WithReason) {
  const auto result = parse_xml(GetParam().text);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.describe("x"), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Xml, XmlRejects,
                         testing::Values(BadXml{"", "x:1:1"}, BadXml{"<a>", "not closed"},
                                         BadXml{"<a></b>", "closes <a>"}, BadXml{"<a/><b/>", "after the end"},
                                         BadXml{"<a>text</a>", "expected '<'"},
                                         BadXml{"<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", "DOCTYPE"},
                                         BadXml{"<a x=\"&lol;\"/>", "entities"}, BadXml{"<a x=1/>", "quoted"},
                                         BadXml{"<a x=\"1\" x=\"2\"/>", "twice"},
                                         BadXml{"<a x=\"1\"y=\"2\"/>", "expected a blank"},
                                         BadXml{"<a x/>", "expected '='"}, BadXml{"<a><![CDATA[x]]></a>", "CDATA"},
                                         BadXml{"<!-- <a/>", "comment is not closed"}, BadXml{"<a\n  x=\"1", "x:2:6"}));

TEST(Xml, DepthIsLimited) {
  std::string text;
  for (int i = 0; i < 100000; ++i) {
    text += "<a>";
  }
  EXPECT_THAT(parse_xml(text).describe("x"), HasSubstr("nested deeper"));
}

TEST(Xml, SizesAreLimited) {
  EXPECT_THAT(parse_xml("<" + std::string(200, 'a') + "/>").describe("x"), HasSubstr("name longer"));
  EXPECT_THAT(parse_xml("<a x=\"" + std::string(5000, 'a') + "\"/>").describe("x"), HasSubstr("value longer"));
  std::string many = "<a";
  for (int i = 0; i < 65; ++i) {
    many += " x" + std::to_string(i) + "=\"\"";
  }
  EXPECT_THAT(parse_xml(many + "/>").describe("x"), HasSubstr("more than 64 attributes"));
  std::string elements = "<a>";
  for (int i = 0; i < 131072; ++i) {
    elements += "<b/>";
  }
  EXPECT_THAT(parse_xml(elements + "</a>").describe("x"), HasSubstr("more than 131072 elements"));
}

}  // namespace
}  // namespace banyan::topology
