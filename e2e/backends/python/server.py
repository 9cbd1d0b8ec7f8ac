"""A backend by grpcio: attack.v1.Attack's Echo, Many and Upload, with messages as the bytes that they are.

It prints its port, and ends when its standard input does.
"""

import sys
import threading
from concurrent import futures

import grpc
from grpc_status import rpc_status
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2


def answer(context):
    """Tells what arrived, and fails if it is asked to."""
    asked = dict(context.invocation_metadata())
    left = context.time_remaining()
    context.send_initial_metadata((
        ("x-header", "h"),
        ("x-raw-bin", asked.get("x-raw-bin", b"")),
        ("x-left", "none" if left is None or left > 1e9 else "%.3f" % left),
    ))
    context.set_trailing_metadata((("x-trailer", "t"),))
    if "x-fail" in asked:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason="BUSY", domain="example.com"))
        context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=9, message="nöt now", details=[detail])))
    if "x-wait" in asked:
        threading.Event().wait(min(left or 30, 30))


def echo(request, context):
    answer(context)
    return request


def many(request, context):
    answer(context)
    for _ in range(3):
        yield request


def upload(requests, context):
    answer(context)
    yield from requests


class Attack(grpc.GenericRpcHandler):
    methods = {
        "/attack.v1.Attack/Echo": grpc.unary_unary_rpc_method_handler(echo),
        "/attack.v1.Attack/Many": grpc.unary_stream_rpc_method_handler(many),
        "/attack.v1.Attack/Upload": grpc.stream_stream_rpc_method_handler(upload),
    }

    def service(self, details):
        return self.methods.get(details.method)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.max_receive_message_length", 8 << 20)])
server.add_generic_rpc_handlers((Attack(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
