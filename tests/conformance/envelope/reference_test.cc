// Two implementations that share no code, against each other: what C++ signs, reference.py
// verifies; what reference.py signs, C++ verifies (docs/envelope.md, Files).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <deque>
#include <filesystem>
#include <random>
#include <sstream>

#include "base/clock.h"
#include "base/file.h"
#include "envelope/encode.h"
#include "envelope/keys.h"
#include "envelope/signed_event.h"
#include "envelope/signer.h"
#include "envelope/verifier.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kIssuer = "https://push.example/плоскость";
constexpr const char* kReference = GALAXY_SOURCE_DIR "/tests/conformance/envelope/reference.py";

// Text with all that needs care: quotes, escapes, control characters, several planes of Unicode.
std::string AnyText(std::mt19937& random, size_t pieces) {
  static const char* const kPieces[] = {"a",
                                        "\"",
                                        "\\",
                                        "\n",
                                        "\r",
                                        "\t",
                                        "\x01",
                                        "\x7f",
                                        "й",
                                        "€",
                                        "\xf0\x9f\x9a\x80",
                                        "{\"turn\": 1}",
                                        "\\u0000",
                                        "/",
                                        " ",
                                        "\xe2\x80\xa8"};
  std::string out;
  for (size_t i = 0; i < pieces; ++i) out += kPieces[random() % std::size(kPieces)];
  return out;
}

struct Batch {
  Batch(std::mt19937& random, size_t size, bool text_only) {
    for (size_t i = 0; i < size; ++i) {
      auto text = [&](size_t pieces) -> std::string_view {
        return texts.emplace_back(AnyText(random, random() % (pieces + 1)));
      };
      fields.push_back({text(8), text(8), text(8), text(8), text(8), text(8), text(8), text(200)});
      if (!text_only && i % 5 == 4) fields.back().payload = texts.emplace_back("\xff\xfe{}\x80");
    }
  }
  std::deque<std::string> texts;  // never moves what it holds
  std::vector<EventFields> fields;
};

class Reference : public testing::Test {
 protected:
  Reference() {
    std::string name = testing::TempDir() + "galaxy-reference-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Reference() override { std::filesystem::remove_all(folder_); }

  // Runs reference.py with `input`; its exit status and what it printed.
  std::pair<int, std::string> Run(const std::string& arguments, const std::string& input) {
    EXPECT_TRUE(WriteFileAtomic(folder_ + "/input", input));
    std::string command = "PYTHONUTF8=1 /usr/bin/python3 '" + std::string(kReference) + "' " +
                          arguments + " < '" + folder_ + "/input' 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    std::string output;
    char buffer[4096];
    while (size_t n = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
    int status = pclose(pipe);
    return {WEXITSTATUS(status), output};
  }
  std::string SignedLines(Signer& signer, const Batch& batch) {
    const BatchProof* proof = signer.SignBatch(batch.fields, Clock::Real().WallMs()).value();
    std::string lines;
    for (uint32_t i = 0; i < proof->size(); ++i) {
      AppendJsonEnvelope(lines, kIssuer, batch.fields[i], proof->Of(i));
      lines += '\n';
    }
    return lines;
  }
  std::string folder_;
  std::mt19937 random_{20261122};
};

TEST_F(Reference, VerifiesWhatWeSign) {
  auto keys = SigningKeys::FromKeys({SigningKey::Generate(0)}).value();
  ASSERT_TRUE(WriteFileAtomic(folder_ + "/jwks", keys->public_jwks()));
  Signer signer{std::string(kIssuer), keys};
  std::string lines;
  for (size_t size : {1, 2, 3, 5, 6, 7, 31, 64, 100, 255, 256}) {
    lines += SignedLines(signer, Batch(random_, size, false));
  }
  std::string arguments = "verify '" + folder_ + "/jwks' '" + std::string(kIssuer) + "'";
  auto [status, output] = Run(arguments, lines);
  EXPECT_EQ(status, 0) << output;

  // And it would have noticed.
  size_t at = lines.rfind("\"sig\":\"") + 10;
  lines[at] = lines[at] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Run(arguments, lines).first, 1);
}

TEST_F(Reference, SignsWhatWeVerify) {
  std::string seed(32, '\x07');
  auto secret = Ed25519SecretKey::FromSeed(seed);
  std::string kid = KeyThumbprint(secret->PublicKey());
  auto keys = SigningKeys::FromKeys({SigningKey{*secret, kid, 0}}).value();
  Verifier verifier({std::string(kIssuer), "", ""}, PublicKeys::Parse(keys->public_jwks()).value());
  std::string seed_hex;
  for (int i = 0; i < 32; ++i) seed_hex += "07";

  Batch batch(random_, 100, true);
  std::string input;
  for (const EventFields& event : batch.fields) {
    input += "{\"user_id\":";
    AppendJsonString(input, event.user_id);
    input += ",\"kind\":";
    AppendJsonString(input, event.kind);
    input += ",\"cursor\":";
    AppendJsonString(input, event.cursor);
    input += ",\"payload\":";
    AppendJsonString(input, event.payload);
    input += "}\n";
  }
  auto [status, output] = Run("sign " + seed_hex + " '" + std::string(kIssuer) + "'", input);
  ASSERT_EQ(status, 0) << output;
  std::istringstream lines(output);
  std::string line;
  size_t n = 0;
  for (; std::getline(lines, line); ++n) {
    auto event = ParseJsonEnvelope(line);
    ASSERT_TRUE(event) << event.error().message;
    VerifyResult result = verifier.Verify(*event, {event->proof.signed_at_ms, {}});
    EXPECT_EQ(result.outcome, VerifyOutcome::kVerified) << result.reason;
    EXPECT_EQ(event->payload, batch.fields[n].payload);
  }
  EXPECT_EQ(n, batch.fields.size());
  EXPECT_EQ(verifier.signatures_checked(), 1u);
}

}  // namespace
}  // namespace galaxy::push
