"""Reads the PDF of a receipt as a person does: what it says, and what is known of it.

Usage: pdf.py LETTER [PICTURE]. Prints the text and a few figures as JSON, and writes the page as a PNG.
"""

import email
import email.policy
import json
import sys
import unicodedata

import pypdfium2

# How many pixels a point has.
SCALE = 2


def plain(text):
    """Text without the characters that only turn its direction, and with letters instead of their forms."""
    turns = ("LRE", "RLE", "PDF", "LRI", "RLI", "PDI", "FSI")
    text = unicodedata.normalize("NFKC", text)
    return "".join(it for it in text if unicodedata.bidirectional(it) not in turns and it not in "\u200e\u200f")


letter = email.message_from_bytes(open(sys.argv[1], "rb").read(), policy=email.policy.default)
parts = [it for it in letter.walk() if it.get_content_type() == "application/pdf"]
assert len(parts) == 1, "one PDF is attached"
document = pypdfium2.PdfDocument(parts[0].get_content())
page = document[0]
if len(sys.argv) > 2:
    page.render(scale=SCALE).to_pil().save(sys.argv[2])
print(json.dumps({
    "name": parts[0].get_filename(),
    "pages": len(document),
    "size": page.get_size(),
    "text": plain(page.get_textpage().get_text_range()),
    "metadata": document.get_metadata_dict(),
}))
