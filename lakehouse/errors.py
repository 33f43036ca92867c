"""Every error that a person may meet. Each text says what to do; none needs a traceback to be understood.

IotopsError
├── Misused                      the call itself is wrong                     (CLI 2, HTTP 422)
│   ├── BodyRefused
│   └── KeyReused
├── NotFound                     the thing named does not exist               (CLI 1, HTTP 404)
│   ├── UnknownTenant
│   ├── MissingPath
│   ├── UnknownDocument
│   ├── UnknownObject
│   └── UnknownAnswer
├── NotReady                     a step before this one has not been run      (CLI 1, HTTP 409)
│   ├── WarehouseNotBuilt
│   └── IndexNotBuilt
├── Unavailable                  a part the system stands on does not answer  (CLI 1, HTTP 503)
│   ├── DatabaseUnavailable
│   ├── ObjectStoreUnavailable
│   ├── BrokerUnavailable
│   └── OriginUnavailable
├── Refused                      done would be wrong, so it is not done       (CLI 1, HTTP 409)
│   ├── WouldDeleteEverything
│   ├── PromotionRefused
│   ├── CorruptObject
│   ├── OriginRefused
│   └── CitationMismatch
└── StepFailed                   a tool that we run reported a failure        (CLI 1, HTTP 500)

BadRecord is not in the tree: it never reaches a person as an error. It carries why one file or record was
refused on its way into quarantine.
"""

from dataclasses import dataclass


class IotopsError(Exception):
    """The text of each subclass is one line, complete with what to do next."""


class Misused(IotopsError):
    pass


class BodyRefused(Misused):
    """What was sent is in quarantine as a whole."""


class KeyReused(Misused):
    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another body: give each request a key of its own")


class NotFound(IotopsError):
    pass


class UnknownTenant(NotFound):
    def __init__(self, tenant_id: str, known: list[str]) -> None:
        super().__init__(
            f"tenant '{tenant_id}' does not exist: use one of {', '.join(known) or '(none)'}, "
            f"or create it with 'iotops tenant create {tenant_id}'"
        )


class MissingPath(NotFound):
    def __init__(self, path: object) -> None:
        super().__init__(f"'{path}' does not exist: give the path of a file or folder that can be read")


class UnknownDocument(NotFound):
    def __init__(self, document_id: str) -> None:
        super().__init__(
            f"document '{document_id}' is not known to this tenant: take an id from a citation or a search"
        )


class UnknownObject(NotFound):
    def __init__(self, tenant_id: str, sha256: str) -> None:
        super().__init__(
            f"object {sha256} of tenant '{tenant_id}' is not stored: restore it from a backup of bronze, "
            "or ingest the file again that it came from"
        )


class UnknownAnswer(NotFound):
    def __init__(self, answer_id: str) -> None:
        super().__init__(f"answer '{answer_id}' is not known to this tenant: 'iotops ask --json' prints the id of each")


class NotReady(IotopsError):
    pass


class WarehouseNotBuilt(NotReady):
    def __init__(self) -> None:
        super().__init__("the warehouse has no gold tables yet: run 'iotops warehouse build'")


class IndexNotBuilt(NotReady):
    def __init__(self) -> None:
        super().__init__("no index is active yet: run 'iotops warehouse build', then 'iotops index build'")


class Unavailable(IotopsError):
    pass


class DatabaseUnavailable(Unavailable):
    def __init__(self, where: str, cause: object) -> None:
        reason = " ".join(str(cause).split())
        super().__init__(
            f"the database at {where} does not answer ({reason}): start it, or correct IOTOPS_DATABASE_URL"
        )


class ObjectStoreUnavailable(Unavailable):
    def __init__(self, where: str, cause: object) -> None:
        reason = " ".join(str(cause).split())
        super().__init__(f"the object store at {where} does not answer ({reason}): check IOTOPS_BRONZE_URL and AWS_*")


class BrokerUnavailable(Unavailable):
    def __init__(self, brokers: str, cause: object) -> None:
        reason = " ".join(str(cause).split())
        super().__init__(f"the Kafka broker at {brokers} does not answer ({reason}): start it, or correct --brokers")


class OriginUnavailable(Unavailable):
    """What a connector reads from: a repository, a site, a chat's API."""

    def __init__(self, origin: str, cause: object) -> None:
        reason = " ".join(str(cause).split())
        super().__init__(
            f"{origin} does not answer as it should ({reason}): what was read is kept; run it again to go on"
        )


class Refused(IotopsError):
    pass


class WouldDeleteEverything(Refused):
    def __init__(self, path: object, known: int) -> None:
        super().__init__(
            f"'{path}' holds no files, but {known} documents were ingested from it: "
            "mount or restore the folder, or pass --allow-empty to record them all as deleted"
        )


class PromotionRefused(Refused):
    pass


class CorruptObject(Refused):
    def __init__(self, sha256: str, where: str) -> None:
        super().__init__(
            f"the bytes at {where} are not those of object {sha256}: the storage damaged or changed them; "
            "restore this object from a backup of bronze"
        )


class OriginRefused(Refused):
    """The origin answers, and says that we may not read it."""

    def __init__(self, origin: str, code: str, remedy: str) -> None:
        super().__init__(f"{origin} refuses to be read ({code}): {remedy}")


class CitationMismatch(Refused):
    """A quote differs from the stored bytes: the answer that holds it must not leave."""


class StepFailed(IotopsError):
    pass


@dataclass(frozen=True)
class BadRecord(Exception):
    """Why a file or a record was refused. `code` is stable and counted by; `reason` is for the reader."""

    code: str
    reason: str

    def __str__(self) -> str:
        return self.reason
