"""What container headers tell of a file's end, where libsndfile does not report it."""

import os
import struct

# Writers to a pipe cannot go back to fill in the size and leave a value near the maximum.
_UNKNOWN_WAV_BYTES = 0x7FFF0000
_MP3_SEARCH_BYTES = 4096
_MAX_OGG_PAGE = 27 + 255 + 255 * 255
_OGG_END_OF_STREAM = 4


def missing_end(descriptor: int, size: int) -> str | None:
    """Say what is missing at the end of a WAV or Ogg file.

    Args:
        descriptor: The open file.
        size: Its size in bytes.

    Returns:
        What was expected and found, or None if nothing shows that the file was cut.
    """
    head = os.pread(descriptor, 12, 0)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _missing_in_wav(descriptor, size)
    if head[:4] == b"OggS":
        return _missing_in_ogg(descriptor, size)
    return None


def has_no_length(descriptor: int) -> bool:
    """Return whether an MP3 lacks the frame that holds its length.

    libsndfile then guesses a length from the first frame's bit rate, and guesses wrong by a
    factor of two where the bit rate varies.
    """
    head = os.pread(descriptor, 10, 0)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum(
            byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    first_frames = os.pread(descriptor, _MP3_SEARCH_BYTES, start)
    return not any(tag in first_frames for tag in (b"Xing", b"Info", b"VBRI"))


def _missing_in_wav(descriptor: int, size: int) -> str | None:
    position = 12
    while len(chunk := os.pread(descriptor, 8, position)) == 8:
        name, chunk_size = struct.unpack("<4sI", chunk)
        end = position + 8 + chunk_size
        if name == b"data":
            if end <= size or chunk_size >= _UNKNOWN_WAV_BYTES:
                return None
            return f"the WAV header promises {end} bytes, the file has {size}"
        position = end + chunk_size % 2
    return None


def _missing_in_ogg(descriptor: int, size: int) -> str | None:
    offset = max(0, size - _MAX_OGG_PAGE)
    tail = os.pread(descriptor, size - offset, offset)
    page = tail.rfind(b"OggS")
    header = tail[page : page + 27]
    if page < 0 or len(header) < 27:
        return "the last Ogg page is cut"
    lacing = tail[page + 27 : page + 27 + header[26]]
    end = page + 27 + header[26] + sum(lacing)
    if len(lacing) < header[26] or end > len(tail):
        return "the last Ogg page is cut"
    if not header[5] & _OGG_END_OF_STREAM:
        return "the last Ogg page is not marked as the end of the stream"
    return None
