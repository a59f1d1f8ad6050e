"""A stand-in for grpcurl (github.com/fullstorydev/grpcurl), which its makers put on no package index.

It has the flags that the pages use.
It knows no message of ours. It learns each from the server's reflection, as grpcurl does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

#: grpcurl ends with 64 plus the code of the status.
FAILED = 64


def main() -> int:
    arguments = _arguments()
    with _open(arguments) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        if arguments.what == "list":
            print("\n".join(sorted(database.get_services())))
            return 0
        pool = descriptor_pool.DescriptorPool(database)
        if arguments.what == "describe":
            print("\n".join(_description(pool, arguments.symbol)))
            return 0
        return _call(channel, pool, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grpcurl", allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true")
    for name in ("-cacert", "-cert", "-key"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("-max-time", dest="seconds", type=float, default=None)
    parser.add_argument("address")
    parser.add_argument("what", help="list, describe, or a method")
    parser.add_argument("symbol", nargs="?", default="")
    return parser.parse_args()


def _open(arguments: argparse.Namespace) -> grpc.Channel:
    """A channel with the certificate of the arguments, else in plaintext."""
    if arguments.plaintext:
        return grpc.insecure_channel(arguments.address)
    files = [path.read_bytes() for path in (arguments.cacert, arguments.key, arguments.cert)]
    return grpc.secure_channel(arguments.address, grpc.ssl_channel_credentials(*files))


def _description(pool: descriptor_pool.DescriptorPool, symbol: str) -> list[str]:
    """The RPCs of a service, or the fields of a message."""
    found = _found(pool, symbol)
    if isinstance(found, ServiceDescriptor):
        return [f"rpc {rpc.name} ( .{rpc.input_type.full_name} )" for rpc in found.methods]
    return [f"{field.name} = {field.number};" for field in found.fields]


def _found(pool: descriptor_pool.DescriptorPool, symbol: str) -> ServiceDescriptor | Descriptor:
    try:
        return pool.FindServiceByName(symbol)
    except KeyError:
        return pool.FindMessageTypeByName(symbol)


def _call(channel: grpc.Channel, pool: descriptor_pool.DescriptorPool, arguments: argparse.Namespace) -> int:
    service, _, name = arguments.what.replace("/", ".").rpartition(".")
    method: MethodDescriptor = pool.FindServiceByName(service).methods_by_name[name]
    asked, answered = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
    request = json_format.Parse(arguments.data, asked(), descriptor_pool=pool)
    path = f"/{service}/{name}"
    call = (channel.unary_stream if method.server_streaming else channel.unary_unary)(
        path, request_serializer=asked.SerializeToString, response_deserializer=answered.FromString
    )
    metadata = [(key.strip().lower(), value.strip()) for key, _, value in (h.partition(":") for h in arguments.headers)]
    try:
        answer = call(request, metadata=metadata, timeout=arguments.seconds)
        for message in answer if method.server_streaming else [answer]:
            print(json_format.MessageToJson(message, descriptor_pool=pool), flush=True)
    except grpc.RpcError as error:
        print(f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}", file=sys.stderr)
        return FAILED + int(error.code().value[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
