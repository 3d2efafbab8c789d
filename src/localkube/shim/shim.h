// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace localkube {

// The shim: one a pod, process 1 of the pod's pid namespace, in the pod's own
// network, uts, ipc and mount namespaces. It starts the pod's containers, keeps
// their output in files and their exit codes in mind, and lives on when serve
// is started anew: that one connects again and is told how things stand.
//
// It is started with descriptor 3, from which it reads its configuration to the
// end, once eth0 is there:
//   {address, hostname, socket, memory: [{path, size}]}   tmpfs for volumes in memory
// and 4, to which it writes one byte when it listens on `socket`.
//
// Then packets (process/packets.h), from serve:
//   {op: start, id} + memory file with a ContainerSpec -> {id} or {id, error}
//   {op: signal, container, signal}
//   {op: exec, id, container, argv, tty, in} -> {id} + [in, out, err], with a
//        terminal + [master]; or {id, error}. Later {event: exec_exited, id, code}.
//   {op: exec_signal, id, signal}      to the program's group
//   {op: attach, id, container, in} -> {id} + [in, out, err]; out and err end with the container
//   {op: resize, container, rows, columns}
//   {op: connect, id, port} -> {id} + [a socket connected to that port of the pod's loopback] or {id, error}
//   {op: quit}                         ends the shim and, by that, the pod
// and from the shim:
//   {event: state, containers: [...]}  at each connection
//   {event: exited, ...}               both with {container, attempt, running, code, started, finished},
//                                      times in milliseconds since 1970
int shim();

}  // namespace localkube
