"""Names of languages, as a text that was skipped says its own."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = {
    "Afrikaans": "Afrikaans", "Amharic": "Amharisch", "Arabic": "Arabisch", "Azerbaijani": "Aserbaidschanisch",
    "Belarusian": "Belarussisch", "Bulgarian": "Bulgarisch", "Bengali": "Bengalisch", "Bosnian": "Bosnisch",
    "Catalan": "Katalanisch",
    "Czech": "Tschechisch", "Welsh": "Walisisch", "Danish": "Dänisch", "German": "Deutsch", "Greek": "Griechisch",
    "English": "Englisch", "Esperanto": "Esperanto", "Spanish": "Spanisch", "Estonian": "Estnisch", "Basque": "Baskisch",
    "Persian": "Persisch", "Finnish": "Finnisch", "French": "Französisch", "Irish": "Irisch", "Galician": "Galicisch",
    "Gujarati": "Gujarati", "Hebrew": "Hebräisch", "Hindi": "Hindi", "Croatian": "Kroatisch", "Hungarian": "Ungarisch",
    "Armenian": "Armenisch", "Indonesian": "Indonesisch", "Icelandic": "Isländisch", "Italian": "Italienisch",
    "Japanese": "Japanisch", "Georgian": "Georgisch", "Kazakh": "Kasachisch", "Khmer": "Khmer", "Kannada": "Kannada",
    "Korean": "Koreanisch", "Latin": "Latein", "Luxembourgish": "Luxemburgisch", "Lao": "Laotisch", "Lithuanian": "Litauisch",
    "Latvian": "Lettisch", "Macedonian": "Mazedonisch", "Malayalam": "Malayalam", "Mongolian": "Mongolisch", "Marathi": "Marathi",
    "Malay": "Malaiisch", "Maltese": "Maltesisch", "Burmese": "Birmanisch", "Norwegian": "Norwegisch", "Nepali": "Nepalesisch",
    "Dutch": "Niederländisch", "Occitan": "Okzitanisch", "Punjabi": "Panjabi", "Polish": "Polnisch", "Portuguese": "Portugiesisch",
    "Romanian": "Rumänisch", "Russian": "Russisch", "Sinhala": "Singhalesisch", "Slovak": "Slowakisch", "Slovenian": "Slowenisch",
    "Albanian": "Albanisch", "Serbian": "Serbisch", "Swedish": "Schwedisch", "Swahili": "Suaheli", "Tamil": "Tamil",
    "Telugu": "Telugu", "Thai": "Thailändisch", "Tagalog": "Tagalog", "Turkish": "Türkisch", "Ukrainian": "Ukrainisch",
    "Urdu": "Urdu", "Uzbek": "Usbekisch", "Vietnamese": "Vietnamesisch", "Chinese": "Chinesisch",
}  # fmt: skip
