#include "grpc/text.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(GrpcText, MessagesSurviveTheirEncoding) {
  EXPECT_EQ(EncodeGrpcMessage("plain text ~"), "plain text ~");
  EXPECT_EQ(EncodeGrpcMessage("100%\r\n\xc3\xa9"), "100%25%0D%0A%C3%A9");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(DecodeGrpcMessage(EncodeGrpcMessage(all)), all);
}

TEST(GrpcText, ABrokenEscapeStaysAsItIs) {
  for (const char* text : {"%", "%4", "%4g", "%zz", "50%"}) {
    EXPECT_EQ(DecodeGrpcMessage(text), text);
  }
  EXPECT_EQ(DecodeGrpcMessage("%e2%82%AC"), "\xe2\x82\xac");
}

TEST(GrpcText, TimeoutsOfAllUnits) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), 7'200'000u);
  EXPECT_EQ(ParseGrpcTimeout("3M"), 180'000u);
  EXPECT_EQ(ParseGrpcTimeout("4S"), 4000u);
  EXPECT_EQ(ParseGrpcTimeout("5m"), 5u);
  EXPECT_EQ(ParseGrpcTimeout("1001u"), 2u);
  EXPECT_EQ(ParseGrpcTimeout("1n"), 1u);
  EXPECT_EQ(ParseGrpcTimeout("0n"), 0u);
  EXPECT_EQ(ParseGrpcTimeout("99999999H"), 99'999'999ull * 3'600'000);
}

TEST(GrpcText, MalformedTimeoutsAreRefused) {
  for (const char* text : {"", "S", "5", "5s", "-5S", "+5S", "5 S", "123456789S", "1.5S", "0x5S"}) {
    EXPECT_FALSE(ParseGrpcTimeout(text)) << text;
  }
}

TEST(GrpcText, AFormattedTimeoutIsNeverLonger) {
  EXPECT_EQ(FormatGrpcTimeout(1), "1m");
  EXPECT_EQ(FormatGrpcTimeout(99'999'999), "99999999m");
  EXPECT_EQ(FormatGrpcTimeout(100'000'999), "100000S");
  EXPECT_EQ(FormatGrpcTimeout(~uint64_t{0}), "99999999H");
}

TEST(GrpcText, StatusesOutsideTheRangeAreUnknown) {
  EXPECT_EQ(ParseGrpcStatus("0"), GrpcStatus::kOk);
  EXPECT_EQ(ParseGrpcStatus("16"), GrpcStatus::kUnauthenticated);
  for (const char* text : {"", "17", "-1", "x", "1x", "99999999999999999999"}) {
    EXPECT_EQ(ParseGrpcStatus(text), GrpcStatus::kUnknown) << text;
  }
}

TEST(GrpcText, ContentTypesOfGrpc) {
  for (const char* text : {"application/grpc", "application/grpc+proto", "application/grpc;x=y",
                           "application/grpc+proto; charset=utf-8"}) {
    EXPECT_EQ(ClassifyContentType(text), GrpcContentType::kProto) << text;
  }
  EXPECT_EQ(ClassifyContentType("application/grpc+json"), GrpcContentType::kOtherCodec);
  for (const char* text : {"", "application/json", "application/grpc-web", "application/grpcx"}) {
    EXPECT_EQ(ClassifyContentType(text), GrpcContentType::kNone) << text;
  }
}

TEST(GrpcText, BinaryMetadataIsBase64WithOrWithoutPadding) {
  EXPECT_EQ(EncodeBinaryMetadata("\xff\xfe"), "//4");
  EXPECT_EQ(DecodeBinaryMetadata("//4"), "\xff\xfe");
  EXPECT_EQ(DecodeBinaryMetadata("//4="), "\xff\xfe");
  EXPECT_EQ(DecodeBinaryMetadata(""), "");
  EXPECT_FALSE(DecodeBinaryMetadata("a"));
  EXPECT_FALSE(DecodeBinaryMetadata("a b="));
}

TEST(GrpcText, ThePrefixIsBigEndian) {
  std::string out = "x";
  AppendGrpcPrefix(out, 0x01020304);
  EXPECT_EQ(out, std::string("x\0\1\2\3\4", 6));
}

}  // namespace
}  // namespace galaxy::push
