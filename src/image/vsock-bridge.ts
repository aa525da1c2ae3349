/**
 * Joins Firecracker's vsock to the agent, inside the guest. Node has no sockets of this family, so the agent dials two unix
 * sockets, as it does in gVisor, and this program joins each host that comes over vsock to a call of the agent's that waits.
 * Python's standard library knows vsock. A host that leaves (a snapshot resets what is open) ends its call; the agent dials anew.
 */

/** Where the guest listens; the host asks Firecracker for them by number. */
export const VSOCK_PORTS = { agent: 52, egress: 53 } as const;

export const VSOCK_BRIDGE = `import os, socket, sys, threading

PORTS = {${VSOCK_PORTS.agent}: "/run/hearth/agent", ${VSOCK_PORTS.egress}: "/run/hearth/egress"}

def carry(source, target):
    try:
        while True:
            piece = source.recv(1 << 18)
            if not piece:
                break
            target.sendall(piece)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

def waiting_call(door):
    # A call that nobody greets is given up after a while: the queue holds dead ones.
    while True:
        call, _ = door.accept()
        try:
            call.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return call
        except OSError:
            pass
        call.close()

def join(host, call):
    back = threading.Thread(target=carry, args=(call, host), daemon=True)
    back.start()
    carry(host, call)
    back.join()
    host.close()
    call.close()

def serve(port, path):
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(path)
    door.listen(1)
    hosts = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    hosts.bind((socket.VMADDR_CID_ANY, port))
    hosts.listen(4)
    while True:
        host, _ = hosts.accept()
        threading.Thread(target=join, args=(host, waiting_call(door)), daemon=True).start()

def serve_or_end(port, path):
    try:
        serve(port, path)
    except OSError as error:
        print(f"hearth: vsock port {port}: {error}", file=sys.stderr, flush=True)
        os._exit(1)

for port, path in list(PORTS.items())[1:]:
    threading.Thread(target=serve_or_end, args=(port, path), daemon=True).start()
serve_or_end(*list(PORTS.items())[0])
`;
