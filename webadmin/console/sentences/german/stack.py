"""What goes wrong with the stack on this machine, and with its settings."""

from __future__ import annotations

from typing import Final

STACK: Final = {
    "The stack is not running (no PostgreSQL at {place}). Start it with make up.": (
        "Die Plattform läuft nicht (kein PostgreSQL unter {place}). Starten Sie sie mit make up."
    ),
    "The stack is not running (no PostgreSQL is configured). Start it with make up.": (
        "Die Plattform läuft nicht (kein PostgreSQL ist eingerichtet). Starten Sie sie mit make up."
    ),
    "AEGIS_LISTEN opens the admin to other machines, and passwords would go there as they are: set AEGIS_TLS_CERT and"
    " AEGIS_TLS_KEY, or name the proxy with https in front in AEGIS_TRUSTED_PROXIES, or set AEGIS_PLAIN_HTTP=true.": (
        "AEGIS_LISTEN öffnet die Verwaltung für andere Rechner, und Passwörter gingen unverschlüsselt dorthin: Setzen Sie"
        " AEGIS_TLS_CERT und AEGIS_TLS_KEY, oder nennen Sie den https-Proxy davor in AEGIS_TRUSTED_PROXIES, oder setzen Sie"
        " AEGIS_PLAIN_HTTP=true."
    ),
    "AEGIS_TLS_CERT and AEGIS_TLS_KEY go together: a certificate with its chain, and its key, as PEM files.": (
        "AEGIS_TLS_CERT und AEGIS_TLS_KEY gehören zusammen: ein Zertifikat mit seiner Kette und sein Schlüssel, als PEM-Dateien."
    ),
    # Parts
    "{name} does not start: {words} (all of it: {log})": "{name} startet nicht: {words} (alles: {log})",
    "{name} does not answer after {seconds} s: {words} (all of it: {log})": (
        "{name} antwortet nach {seconds} s nicht: {words} (alles: {log})"
    ),
    "supervisord is gone, and {left} processes of the stack run on without it: `make up` takes over, `make down` stops them.": (
        "supervisord ist weg, und {left} Prozesse der Plattform laufen ohne ihn weiter: `make up` übernimmt sie, `make down`"
        " beendet sie."
    ),
    "supervisord did not start: {words}": "supervisord ist nicht gestartet: {words}",
    "{name} cannot be started ({fault}): install anew, or see {logs}.": (
        "{name} lässt sich nicht starten ({fault}): Installieren Sie neu, oder sehen Sie in {logs} nach."
    ),
    "AEGIS_HOME or the project lies under a path that supervisord cannot take: {path}.": (
        "AEGIS_HOME oder das Projekt liegt unter einem Pfad, den supervisord nicht annimmt: {path}."
    ),
    "{place} is not a directory of this account alone; remove it, or move AEGIS_HOME.": (
        "{place} ist kein Ordner, der diesem Konto allein gehört; entfernen Sie ihn, oder verlegen Sie AEGIS_HOME."
    ),
    "{place} does not look like an AEGIS_HOME: it holds no stack.env. Delete it by hand.": (
        "{place} sieht nicht wie ein AEGIS_HOME aus: Darin ist kein stack.env. Löschen Sie es von Hand."
    ),
    "AEGIS_HOME is {place}, which holds other files: name a directory that is empty or not there yet.": (
        "AEGIS_HOME ist {place} und enthält andere Dateien: Nennen Sie einen Ordner, der leer ist oder noch nicht existiert."
    ),
    "{part:said} and {other:said} both want port {port}: change {first} or {second}.": (
        "{part} und {other} wollen beide den Port {port}: Ändern Sie {first} oder {second}."
    ),
    "Port {port}, wanted by {part:said}, {trouble:said}: set {setting} to another one.": (
        "Der Port {port} ({part}) {trouble}: Setzen Sie {setting} auf einen anderen."
    ),
    # Containers and their secrets
    "AEGIS_SECRETS_DIR is no directory: {place}. Create it, or leave the setting empty.": (
        "AEGIS_SECRETS_DIR ist kein Ordner: {place}. Legen Sie ihn an, oder lassen Sie die Einstellung leer."
    ),
    "The secret's file {place} cannot be read ({reason}): see its owner and mode.": (
        "Die Datei {place} eines Geheimnisses lässt sich nicht lesen ({reason}): Prüfen Sie ihren Eigentümer und ihre Rechte."
    ),
    "Name one action: setup, check PART, or a part.": "Nennen Sie eine Handlung: setup, check TEIL oder einen Teil.",
    "{name} is no part; this configuration has {names}.": "{name} ist kein Teil; diese Konfiguration hat {names}.",
    "A container keeps no database: set {names}.": "Ein Container behält keine Datenbank: Setzen Sie {names}.",
    "Databases, tables and buckets are there.": "Datenbanken, Tabellen und Ablagen sind da.",
    "No setting is called {name}: write it like aegis_engine_token.": (
        "Keine Einstellung heißt {name}: Schreiben Sie sie wie aegis_engine_token."
    ),
    "The value of {name} is empty: give it on the standard input.": (
        "Der Wert von {name} ist leer: Geben Sie ihn über die Standardeingabe."
    ),
    "Name the directory of the secrets, and, to add to them: put NAME < file.": (
        "Nennen Sie den Ordner der Geheimnisse, und um eines hinzuzufügen: put NAME < Datei."
    ),
    # PostgreSQL and the graph server
    "PostgreSQL did not start: {words}": "PostgreSQL ist nicht gestartet: {words}",
    "PostgreSQL in {place} does not stop.": "PostgreSQL in {place} lässt sich nicht beenden.",
    "Another PostgreSQL uses {place}.": "Ein anderes PostgreSQL benutzt {place}.",
    "initdb failed: {words}": "initdb ist fehlgeschlagen: {words}",
    "{setting} does not answer: {words}": "{setting} antwortet nicht: {words}",
    "The database {name} of {setting} does not exist and cannot be made: {error}": (
        "Die Datenbank {name} von {setting} gibt es nicht, und sie lässt sich nicht anlegen: {error}"
    ),
    "manage.py {name} failed: {words}": "manage.py {name} ist fehlgeschlagen: {words}",
    "manage.py {name} did not end within 300 s.": "manage.py {name} endete nicht binnen 300 s.",
    "The package {package} is not installed; run `make demo`, or set AEGIS_POSTGRES_URL.": (
        "Das Paket {package} ist nicht installiert; führen Sie `make demo` aus, oder setzen Sie AEGIS_POSTGRES_URL."
    ),
    "The package arcadedb-embedded is not installed: install it, or set AEGIS_NEO4J_URL to a graph server.": (
        "Das Paket arcadedb-embedded ist nicht installiert: Installieren Sie es, oder setzen Sie AEGIS_NEO4J_URL auf einen"
        " Graph-Server."
    ),
    # Settings
    "AEGIS_{name} is not an address like postgresql://user:password@host:5432/database.": (
        "AEGIS_{name} ist keine Adresse wie postgresql://user:password@host:5432/database."
    ),
    "AEGIS_POSTGRES_URL is no address: it looks like postgresql://user:password@host:5432/name.": (
        "AEGIS_POSTGRES_URL ist keine Adresse: Sie sieht so aus: postgresql://user:password@host:5432/name."
    ),
    "{name} holds a quote, a backslash, a line break or '${{', which stack.env cannot carry.": (
        "{name} enthält ein Anführungszeichen, einen Backslash, einen Zeilenumbruch oder „${{“, was stack.env nicht aufnehmen kann."
    ),
    "AEGIS_PROFILE names no profile of {file}: {name}. It has {profiles}.": (
        "AEGIS_PROFILE nennt kein Profil von {file}: {name}. Darin stehen {profiles}."
    ),
    "{file} cannot be read as a table of defaults and profiles: compare it with the one that came.": (
        "{file} ist nicht als Tabelle von Vorgaben und Profilen lesbar: Vergleichen Sie die Datei mit der mitgelieferten."
    ),
    "AEGIS_SECRET_KEY must be set in production.": "AEGIS_SECRET_KEY muss im Produktionsbetrieb gesetzt sein.",
    "AEGIS_DEBUG shows tracebacks and settings to everybody: it cannot be on in production.": (
        "AEGIS_DEBUG zeigt allen Fehlerprotokolle und Einstellungen: Im Produktionsbetrieb darf es nicht eingeschaltet sein."
    ),
    "{path} is empty: write a password into it, or delete it to have one made.": (
        "{path} ist leer: Schreiben Sie ein Passwort hinein, oder löschen Sie die Datei, damit eines erzeugt wird."
    ),
}
