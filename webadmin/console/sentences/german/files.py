"""What is wrong with a file, or with reading it."""

from __future__ import annotations

from typing import Final

FILES: Final = {
    # Any file
    "The file is empty.": "Die Datei ist leer.",
    "The file is empty. Check the original and upload it again.": (
        "Die Datei ist leer. Prüfen Sie das Original, und laden Sie es noch einmal hoch."
    ),
    "The file holds nothing but white space. Check the original and upload it again.": (
        "Die Datei enthält nur Leerraum. Prüfen Sie das Original, und laden Sie es noch einmal hoch."
    ),
    "The file is larger than {limit} MB (AEGIS_MAX_FILE_MB).": "Die Datei ist größer als {limit} MB (AEGIS_MAX_FILE_MB).",
    "The file has {size} MB; the limit is {limit} MB (AEGIS_MAX_FILE_MB).": (
        "Die Datei hat {size} MB; die Grenze ist {limit} MB (AEGIS_MAX_FILE_MB)."
    ),
    "This file was not read: the document holds too many or too large files.": (
        "Diese Datei wurde nicht gelesen: Das Dokument enthält zu viele oder zu große Dateien."
    ),
    "The file is protected by a password. Remove the protection and upload it again.": (
        "Die Datei ist durch ein Passwort geschützt. Entfernen Sie den Schutz, und laden Sie sie noch einmal hoch."
    ),
    "The book is protected by DRM, so its text cannot be read. Upload a copy without protection.": (
        "Das Buch ist durch DRM geschützt, darum ist sein Text nicht lesbar. Laden Sie eine Kopie ohne Schutz hoch."
    ),
    "The file is damaged or not what it claims to be. Save it again in the program that made it.": (
        "Die Datei ist beschädigt oder nicht das, wofür sie sich ausgibt. Speichern Sie sie in dem Programm neu, mit dem sie"
        " erstellt wurde."
    ),
    "The file is damaged: its container cannot be read. Save it again in the program that made it.": (
        "Die Datei ist beschädigt: Ihr Container ist nicht lesbar. Speichern Sie sie in dem Programm neu, mit dem sie erstellt"
        " wurde."
    ),
    "The file is damaged: its ZIP container cannot be read. Open it in the program that made it, save it again and upload that.": (
        "Die Datei ist beschädigt: Ihr ZIP-Container ist nicht lesbar. Öffnen Sie sie in dem Programm, mit dem sie erstellt wurde,"
        " speichern Sie sie neu, und laden Sie das Ergebnis hoch."
    ),
    "The file unpacks to far more than a document needs (a 'zip bomb'), so it was not opened. Save it anew in its own program.": (
        "Die Datei ist entpackt weit größer, als ein Dokument sein muss (eine „ZIP-Bombe“), und wurde darum nicht geöffnet."
        " Speichern Sie sie in ihrem eigenen Programm neu."
    ),
    "The file unpacks to more than a document may have. Split it into smaller files.": (
        "Die Datei ist entpackt größer, als ein Dokument sein darf. Teilen Sie sie in kleinere Dateien."
    ),
    "The file holds {count} parts, more than the {limit} allowed. Split the document.": (
        "Die Datei enthält {count} Teile, mehr als die erlaubten {limit}. Teilen Sie das Dokument."
    ),
    "One part of the file has {size} MB of XML, more than {limit}. Split the document.": (
        "Ein Teil der Datei enthält {size} MB XML, mehr als {limit}. Teilen Sie das Dokument."
    ),
    "The file declares XML entities, as attacks do and documents need not. Save it anew in its own program.": (
        "Die Datei deklariert XML-Entitäten, wie es Angriffe tun und Dokumente nicht müssen. Speichern Sie sie in ihrem eigenen"
        " Programm neu."
    ),
    "The file is a ZIP archive, not a document. Unpack it and upload the documents in it.": (
        "Die Datei ist ein ZIP-Archiv und kein Dokument. Entpacken Sie es, und laden Sie die Dokumente darin hoch."
    ),
    "The file is of a kind that cannot be read. Readable are {kinds:said}.": (
        "Dateien dieser Art sind nicht lesbar. Lesbar sind {kinds}."
    ),
    "The file is of an unknown binary kind. Readable are {kinds:said}.": (
        "Die Datei ist von unbekannter binärer Art. Lesbar sind {kinds}."
    ),
    "The file is not a document ({found}). Readable are {kinds:said}.": (
        "Die Datei ist kein Dokument ({found}). Lesbar sind {kinds}."
    ),
    "The file is named {suffix} but its content is no such document. Check the original and upload it again.": (
        "Die Datei heißt {suffix}, ihr Inhalt ist aber kein solches Dokument. Prüfen Sie das Original, und laden Sie es noch einmal"
        " hoch."
    ),
    "The file is in the old {old} format of before 2007. Save it as {new} and upload that.": (
        "Die Datei hat das alte {old}-Format aus der Zeit vor 2007. Speichern Sie sie als {new}, und laden Sie das Ergebnis hoch."
    ),
    "The RTF file is damaged. Open it in a word processor, save it as DOCX and upload that.": (
        "Die RTF-Datei ist beschädigt. Öffnen Sie sie in einer Textverarbeitung, speichern Sie sie als DOCX, und laden Sie das"
        " Ergebnis hoch."
    ),
    # Documents
    "The document holds no text, table or picture. Check the original and upload it again.": (
        "Das Dokument enthält weder Text noch Tabelle noch Bild. Prüfen Sie das Original, und laden Sie es noch einmal hoch."
    ),
    "The document holds no text and no pages.": "Das Dokument enthält weder Text noch Seiten.",
    "The document cannot be opened: it is damaged.": "Das Dokument lässt sich nicht öffnen: Es ist beschädigt.",
    "The document is nested too deeply to be read. Simplify its structure and upload it again.": (
        "Das Dokument ist zu tief verschachtelt, um gelesen zu werden. Vereinfachen Sie seinen Aufbau, und laden Sie es noch einmal"
        " hoch."
    ),
    "The document needs more memory than one parse may use. Split it into smaller files.": (
        "Das Dokument braucht mehr Arbeitsspeicher, als beim Lesen belegt werden darf. Teilen Sie es in kleinere Dateien."
    ),
    "The PDF has no pages.": "Das PDF hat keine Seiten.",
    "The PDF has {count} pages; the limit is {limit} (AEGIS_MAX_PAGES).": (
        "Das PDF hat {count} Seiten; die Grenze ist {limit} (AEGIS_MAX_PAGES)."
    ),
    "The PDF is encrypted and needs a password: upload it without one.": (
        "Das PDF ist verschlüsselt und braucht ein Passwort: Laden Sie es ohne Passwort hoch."
    ),
    "The file is not a readable PDF: it is damaged, cut off, or something else under a PDF's name.": (
        "Die Datei ist kein lesbares PDF: Sie ist beschädigt, abgeschnitten oder etwas anderes unter dem Namen eines PDFs."
    ),
    "Page {page} cannot be read: it is damaged.": "Seite {page} ist nicht lesbar: Sie ist beschädigt.",
    "Page {page} cannot be drawn.": "Seite {page} lässt sich nicht zeichnen.",
    "There are no pages {first} to {last} in a document of {length}.": (
        "Ein Dokument mit {length} Seiten hat keine Seiten {first} bis {last}."
    ),
    "The page was drawn, but left no picture.": "Die Seite wurde gezeichnet, hinterließ aber kein Bild.",
    "The picture of the page is larger than {limit} MB.": "Das Bild der Seite ist größer als {limit} MB.",
    # Pictures
    "The image is damaged or of an unknown kind.": "Das Bild ist beschädigt oder von unbekannter Art.",
    "The image has {width} x {height} pixels, more than can be read.": (
        "Das Bild hat {width} x {height} Pixel, mehr, als gelesen werden kann."
    ),
    "The image has {count} frames; the limit is {limit} (AEGIS_MAX_PAGES).": (
        "Das Bild hat {count} Einzelbilder; die Grenze ist {limit} (AEGIS_MAX_PAGES)."
    ),
    "The picture is not a PNG of a size that can be described.": (
        "Das Bild ist kein PNG von einer Größe, die beschrieben werden kann."
    ),
    "The picture has {width} x {height} pixels, which cannot be described.": (
        "Das Bild hat {width} x {height} Pixel und kann so nicht beschrieben werden."
    ),
    "The picture's bytes are damaged.": "Die Bytes des Bildes sind beschädigt.",
}
