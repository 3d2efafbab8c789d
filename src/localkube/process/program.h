// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace localkube {

// The program's verbs: hold and sweep for people, keep, serve and shim for hold.
// Its parts start each other as "this executable again", so whatever program
// runs a hold must come here with its arguments.
int run_program(int argc, char** argv);

}  // namespace localkube
