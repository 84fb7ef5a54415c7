#pragma once

namespace galaxy::push {

// How every subcommand ends. `listen` adds its own (docs/reference/listen.md).
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;      // something went wrong while it ran
inline constexpr int kExitUsage = 2;       // a flag, key or variable is wrong; nothing was started
inline constexpr int kExitRefused = 3;     // the peer refused an entry, a token or a subscription
inline constexpr int kExitRevoked = 4;     // listen: the session was revoked, verdict `never`
inline constexpr int kExitUnverified = 5;  // listen: an envelope did not verify
inline constexpr int kExitDamaged = 6;     // log: the data directory is damaged
inline constexpr int kExitInterrupted = 130;  // a second SIGINT or SIGTERM cut a drain short

}  // namespace galaxy::push
