// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace localkube {

// The exit code of serve where starting it again cannot help, as with a damaged store: keep and hold then end as well.
inline constexpr int kHopeless = 4;

// The program's verbs: hold and sweep for people, keep, serve and shim for hold.
// Its parts start each other as "this executable again", so whatever program
// runs a hold must come here with its arguments.
int run_program(int argc, char** argv);

}  // namespace localkube
