"""How a number was made, in words."""

from codec_ssl.report.results import ResultFile


def provenance(file: ResultFile) -> str:
    """A list of command, revision, versions, machine and time of a scoring run."""
    revision = file.git["revision"] or "not a git checkout"
    if file.git["dirty"]:
        revision += " with local changes"
    versions = ", ".join(f"{name} {version}" for name, version in file.versions.items())
    machine = file.machine
    lines = [
        f"- command: `{file.command}`",
        f"- revision: {revision}",
        f"- versions: {versions}",
        f"- machine: {machine['processor']}, {machine['cores']} cores,"
        f" accelerator {machine['accelerator'] or 'none'}",
        f"- written {file.written}, in {file.seconds:.0f} s",
    ]
    return "\n".join(lines)
