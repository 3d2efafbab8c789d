// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/program.h"

int main(int argc, char** argv) { return localkube::run_program(argc, argv); }
