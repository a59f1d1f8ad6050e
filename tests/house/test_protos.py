"""The rules of our contracts, over what protoc made of them. buf's own rules are test_buf's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2

from mesh.callers import declared_callers
from tutormesh.common.v1 import callers_pb2

#: Field numbers in descriptor.proto: the paths by which protoc files its comments.
FILE = {"message_type": 4, "enum_type": 5, "service": 6, "extension": 7}
MESSAGE = {"field": 2, "nested_type": 3, "enum_type": 4, "oneof_decl": 8}
CHILDREN: dict[str, dict[str, int]] = {
    "message_type": MESSAGE,
    "nested_type": MESSAGE,
    "enum_type": {"value": 2},
    "service": {"method": 2},
}
KNOWN_CALLERS = {"bff", "payment", "ops", "demo", "internal"}

Element = tuple[tuple[int, ...], str]


def elements(owner: Any, kinds: dict[str, int], path: tuple[int, ...], name: str) -> Iterator[Element]:
    """Every element below `owner`: where protoc files its comment, and its name."""
    for kind, number in kinds.items():
        for index, element in enumerate(getattr(owner, kind)):
            at, called = (*path, number, index), f"{name}.{element.name}"
            yield at, called
            yield from elements(element, CHILDREN.get(kind, {}), at, called)


def enums(described) -> Iterator[descriptor_pb2.EnumDescriptorProto]:
    for file in described:
        yield from file.enum_type
        for message in file.message_type:
            yield from message.enum_type


def methods(described) -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
    for file in described:
        for service in file.service:
            for method in service.method:
                yield file.package, method


def test_there_are_protos_to_check(described):
    assert {file.package for file in described} >= {
        f"tutormesh.{name}.v1" for name in ("common", "booking", "payment", "availability", "session", "learning")
    }
    assert len(list(methods(described))) > 20


def test_folder_and_package_are_one_and_end_in_a_version(described):
    for file in described:
        assert file.name.rpartition("/")[0].replace("/", ".") == file.package
        assert re.fullmatch(r"tutormesh\.[a-z_]+\.v\d+", file.package)


def test_every_rpc_has_a_request_and_a_response_of_its_own(described):
    used = []
    for package, method in methods(described):
        assert method.input_type == f".{package}.{method.name}Request"
        assert method.output_type == f".{package}.{method.name}Response"
        used += [method.input_type, method.output_type]
    assert len(used) == len(set(used))


def test_no_request_or_response_is_without_its_rpc(described):
    used = {name for _, method in methods(described) for name in (method.input_type, method.output_type)}
    for file in described:
        for message in file.message_type:
            if message.name.endswith(("Request", "Response")):
                assert f".{file.package}.{message.name}" in used


def test_every_service_is_named_as_one(described):
    names = [service.name for file in described for service in file.service]
    assert names
    assert all(name.endswith("Service") for name in names)


def test_every_enum_begins_unspecified_and_its_values_carry_its_name(described):
    for enum in enums(described):
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper()
        assert (enum.value[0].name, enum.value[0].number) == (f"{prefix}_UNSPECIFIED", 0)
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)


def test_every_element_says_in_a_comment_what_it_is(described):
    silent = []
    for file in described:
        told = {tuple(at.path) for at in file.source_code_info.location if at.leading_comments.strip()}
        silent += [name for path, name in elements(file, FILE, (), file.package) if path not in told]
        silent = [name for name in silent if not name.rpartition(".")[2].startswith("_")]  # protoc's own, of optionals
    assert silent == []


def test_every_file_says_what_it_is_about(described):
    package_line = (2,)
    for file in described:
        told = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
        assert told[package_line].strip(), file.name


def test_every_rpc_names_callers_that_exist(described):
    for package, method in methods(described):
        callers = set(method.options.Extensions[callers_pb2.callers])
        assert callers, f"{package} {method.name}"
        assert callers <= KNOWN_CALLERS, f"{package} {method.name}: {callers}"


def test_the_chassis_would_serve_every_service():
    from tutormesh.availability.v1 import availability_pb2
    from tutormesh.booking.v1 import booking_pb2
    from tutormesh.learning.v1 import learning_pb2
    from tutormesh.payment.v1 import notification_pb2, payment_pb2, saga_pb2
    from tutormesh.session.v1 import session_pb2

    payment = (notification_pb2, payment_pb2, saga_pb2)
    for module in (availability_pb2, booking_pb2, learning_pb2, *payment, session_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            assert len(declared_callers(service)) == len(service.methods)
