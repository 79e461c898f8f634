"""What goes wrong with a store: the ledger, the bucket, the vectors, the graph, the leases, the broker, the watched bucket."""

from __future__ import annotations

from typing import Final

STORES: Final = {
    # The ledger and its leases
    "The ledger (PostgreSQL) does not answer.": "Das Verzeichnis (PostgreSQL) antwortet nicht.",
    "The ledger (PostgreSQL) took too long to answer.": "Das Verzeichnis (PostgreSQL) hat nicht rechtzeitig geantwortet.",
    "The ledger (PostgreSQL) is too busy: other work kept getting in the way.": (
        "Das Verzeichnis (PostgreSQL) ist überlastet: Andere Arbeit kam immer wieder dazwischen."
    ),
    "The ledger's tables are missing: run `python manage.py migrate`.": (
        "Die Tabellen des Verzeichnisses fehlen: Führen Sie `python manage.py migrate` aus."
    ),
    "The leases (PostgreSQL) do not answer.": "Die Belegungen (PostgreSQL) antworten nicht.",
    "The tables of the leases are missing: run `python manage.py migrate`.": (
        "Die Tabellen der Belegungen fehlen: Führen Sie `python manage.py migrate` aus."
    ),
    "A call needs {weight} of '{resource}' and {limit} allows {capacity}: raise it.": (
        "Ein Aufruf braucht {weight} von „{resource}“, und {limit} erlaubt {capacity}: Erhöhen Sie die Grenze."
    ),
    "A call that needs {weight} of '{resource}' needs no lease.": (
        "Ein Aufruf, der {weight} von „{resource}“ braucht, kommt ohne Belegung aus."
    ),
    # The bucket. name: one of the phrases, such as "bucket s3://…".
    "The {name:said} does not answer as it should ({error}).": "{name} antwortet nicht wie erwartet ({error}).",
    "The {name:said} refuses access: check its credentials or permissions.": (
        "{name} verweigert den Zugriff: Prüfen Sie Zugangsdaten und Rechte."
    ),
    "The {name:said} does not exist: create it or correct the address.": (
        "{name} existiert nicht: Legen Sie ihn an, oder berichtigen Sie die Adresse."
    ),
    "The object is not in the bucket.": "Das Objekt ist nicht in der Ablage.",
    "This run begins behind plan, which finds what is missing: a new run of its documents is launched within seconds.": (
        "Dieser Lauf beginnt hinter plan, das findet, was fehlt: Ein neuer Lauf seiner Dokumente beginnt in wenigen Sekunden."
    ),
    "The bucket holds or was asked for a key that is no valid path.": (
        "In der Ablage steht ein Schlüssel, der kein gültiger Pfad ist, oder nach einem solchen wurde gefragt."
    ),
    "The bucket's directory {root} cannot be used ({error}): check AEGIS_BUCKET_URL.": (
        "Der Ordner {root} der Ablage ist nicht benutzbar ({error}): Prüfen Sie AEGIS_BUCKET_URL."
    ),
    "A bucket address must be file:///directory or s3://bucket/prefix, not {url}.": (
        "Die Adresse einer Ablage muss file:///directory oder s3://bucket/prefix sein, nicht {url}."
    ),
    "A bucket address must be s3://bucket/prefix, not {url}.": (
        "Die Adresse einer Ablage muss s3://bucket/prefix sein, nicht {url}."
    ),
    "The S3 settings do not fit together: check AEGIS_S3_ENDPOINT and the bucket's address.": (
        "Die S3-Einstellungen passen nicht zusammen: Prüfen Sie AEGIS_S3_ENDPOINT und die Adresse der Ablage."
    ),
    "AEGIS_CA_FILE cannot be read as a PEM file of certificates: correct its path.": (
        "AEGIS_CA_FILE lässt sich nicht als PEM-Datei mit Zertifikaten lesen: Berichtigen Sie den Pfad."
    ),
    "AEGIS_S3_ENDPOINT must be https: plain http is for this machine, private networks and AEGIS_NEAR_HOSTS.": (
        "AEGIS_S3_ENDPOINT muss https sein: http ist nur für diesen Rechner, private Netze und AEGIS_NEAR_HOSTS."
    ),
    "A bucket key must be valid Unicode.": "Ein Schlüssel der Ablage muss gültiges Unicode sein.",
    "A bucket key must be relative, without '..', empty parts or control characters, and at most 1024 bytes.": (
        "Ein Schlüssel der Ablage muss relativ sein, ohne „..“, leere Teile und Steuerzeichen, und höchstens 1024 Bytes lang."
    ),
    "A prefix to delete must not be empty.": "Ein Präfix, das gelöscht werden soll, darf nicht leer sein.",
    "The file to store is no longer there.": "Die Datei, die abgelegt werden soll, ist nicht mehr da.",
    "There is no room for uploads in {place}: free some space.": (
        "In {place} ist kein Platz zum Hochladen: Geben Sie Speicherplatz frei."
    ),
    # Vectors
    "The Qdrant server does not answer: check AEGIS_QDRANT_URL.": (
        "Der Qdrant-Server antwortet nicht: Prüfen Sie AEGIS_QDRANT_URL."
    ),
    "The Qdrant server answered with status {status}.": "Der Qdrant-Server antwortete mit dem Status {status}.",
    "The Qdrant server refuses access: check AEGIS_QDRANT_API_KEY.": (
        "Der Qdrant-Server verweigert den Zugriff: Prüfen Sie AEGIS_QDRANT_API_KEY."
    ),
    "The Qdrant server answered with status 429: too many requests a minute.": (
        "Der Qdrant-Server antwortete mit dem Status 429: zu viele Anfragen in der Minute."
    ),
    "The Qdrant server refused a request: {reason}.": "Der Qdrant-Server hat eine Anfrage abgelehnt: {reason}.",
    "The Qdrant server does not have the collection.": "Der Qdrant-Server hat die Sammlung nicht.",
    "AEGIS_QDRANT_URL must be an address like http://qdrant:6333.": (
        "AEGIS_QDRANT_URL muss eine Adresse wie http://qdrant:6333 sein."
    ),
    "AEGIS_QDRANT_URL must be https: an API key over http is for this machine and private networks.": (
        "AEGIS_QDRANT_URL muss https sein: Ein API-Schlüssel über http ist nur für diesen Rechner und private Netze."
    ),
    "AEGIS_QDRANT_API_KEY holds a character that no key has: copy it anew.": (
        "AEGIS_QDRANT_API_KEY enthält ein Zeichen, das kein Schlüssel hat: Kopieren Sie ihn neu."
    ),
    "Embeddings of this collection are missing, and {embedder}, which made them, is not the embedder now: set AEGIS_EMBEDDER back,"
    " or ingest the collection's documents again.": (
        "Embeddings dieser Sammlung fehlen, und {embedder}, von dem sie stammen, ist nicht mehr der Embedder: Setzen Sie"
        " AEGIS_EMBEDDER zurück, oder nehmen Sie die Dokumente der Sammlung neu auf."
    ),
    "The local vector store was in use by others for {seconds} s. For many documents at once set AEGIS_QDRANT_URL to a Qdrant"
    " server.": (
        "Der lokale Vektorspeicher war {seconds} s lang von anderen belegt. Für viele Dokumente auf einmal setzen Sie"
        " AEGIS_QDRANT_URL auf einen Qdrant-Server."
    ),
    "The local vector store cannot be opened ({error}).": "Der lokale Vektorspeicher lässt sich nicht öffnen ({error}).",
    "The local vector store could not be written ({error}).": (
        "In den lokalen Vektorspeicher konnte nicht geschrieben werden ({error})."
    ),
    "The vector store at {root} cannot be used ({error}).": "Der Vektorspeicher unter {root} ist nicht benutzbar ({error}).",
    "The vector store needs a directory or AEGIS_QDRANT_URL.": "Der Vektorspeicher braucht einen Ordner oder AEGIS_QDRANT_URL.",
    "The collection has no vector store yet.": "Die Sammlung hat noch keinen Vektorspeicher.",
    "The vector store refused the vectors: their size is not that of the collection, so another embedder made them.": (
        "Der Vektorspeicher hat die Vektoren abgelehnt: Ihre Größe ist nicht die der Sammlung, ein anderer Embedder hat sie also"
        " erzeugt."
    ),
    "The vectors of this collection were made by {old:said}, {how:said}. Set AEGIS_EMBEDDER or AEGIS_EMBEDDING_MODEL back,"
    " or remove the collection's documents and ingest them again.": (
        "Die Vektoren dieser Sammlung stammen von {old}, {how}. Setzen Sie AEGIS_EMBEDDER oder AEGIS_EMBEDDING_MODEL zurück, oder"
        " entfernen Sie die Dokumente der Sammlung, und nehmen Sie sie neu auf."
    ),
    # The graph
    "The graph server does not answer: check that it runs, and AEGIS_NEO4J_URL.": (
        "Der Graph-Server antwortet nicht: Prüfen Sie, ob er läuft, und AEGIS_NEO4J_URL."
    ),
    "The graph server refuses access: check AEGIS_NEO4J_USER and AEGIS_NEO4J_PASSWORD.": (
        "Der Graph-Server verweigert den Zugriff: Prüfen Sie AEGIS_NEO4J_USER und AEGIS_NEO4J_PASSWORD."
    ),
    "The graph server refused a statement ({code}).": "Der Graph-Server hat eine Anweisung abgelehnt ({code}).",
    "The graph server is too busy: other writes kept getting in the way.": (
        "Der Graph-Server ist überlastet: Andere Schreibvorgänge kamen immer wieder dazwischen."
    ),
    "The process that asks the stores ended unexpectedly or did not answer. Try again; the log has the details.": (
        "Der Prozess, der die Speicher befragt, endete unerwartet oder antwortete nicht. Versuchen Sie es erneut; Näheres steht im"
        " Protokoll."
    ),
    "The graph server's address must begin with bolt:// or neo4j://: check AEGIS_NEO4J_URL.": (
        "Die Adresse des Graph-Servers muss mit bolt:// oder neo4j:// beginnen: Prüfen Sie AEGIS_NEO4J_URL."
    ),
    "The graph server has no database named '{name}': check AEGIS_NEO4J_DATABASE.": (
        "Der Graph-Server hat keine Datenbank namens „{name}“: Prüfen Sie AEGIS_NEO4J_DATABASE."
    ),
    "The graph server's certificate is not trusted: name its authority in AEGIS_CA_FILE, and the host that the certificate is for"
    " in AEGIS_NEO4J_URL.": (
        "Dem Zertifikat des Graph-Servers wird nicht vertraut: Nennen Sie seine Zertifizierungsstelle in AEGIS_CA_FILE und den"
        " Rechner, für den es ausgestellt ist, in AEGIS_NEO4J_URL."
    ),
    "The graph server's data was replaced by other data.": "Die Daten des Graph-Servers wurden durch andere ersetzt.",
    "{setting} needs Neo4j 5.26 or later and the graph server is {server}: switch it off.": (
        "{setting} braucht Neo4j 5.26 oder neuer, und der Graph-Server ist {server}: Schalten Sie die Einstellung aus."
    ),
    "Neo4j's vector index takes at most {most} dimensions and the embedder gives {dimension}: switch off AEGIS_NEO4J_VECTORS.": (
        "Der Vektorindex von Neo4j nimmt höchstens {most} Dimensionen, und der Embedder liefert {dimension}: Schalten Sie"
        " AEGIS_NEO4J_VECTORS aus."
    ),
    "These documents were published again and again meanwhile. Start the rebuild once more.": (
        "Diese Dokumente wurden währenddessen immer wieder veröffentlicht. Starten Sie den Neuaufbau noch einmal."
    ),
    "The graph still does not hold what the ledger does for {count} documents ({names}): retry them.": (
        "Im Graphen steht bei {count} Dokumenten ({names}) weiterhin nicht, was das Verzeichnis sagt: Versuchen Sie sie erneut."
    ),
    "The ledger has no embedding of {count} chunks, so the graph has none either: run `python manage.py rebuild vectors` first.": (
        "Das Verzeichnis hat von {count} Abschnitten kein Embedding, also auch der Graph nicht: Führen Sie zuerst"
        " `python manage.py rebuild vectors` aus."
    ),
    # The broker
    "The broker (AEGIS_CELERY_BROKER) does not answer.": "Der Broker (AEGIS_CELERY_BROKER) antwortet nicht.",
    "The broker (AEGIS_CELERY_BROKER) has not answered for a minute.": (
        "Der Broker (AEGIS_CELERY_BROKER) antwortet seit einer Minute nicht."
    ),
    # The watched bucket
    "The file changed while it was read: it is still being written.": (
        "Die Datei änderte sich beim Lesen: Sie wird noch geschrieben."
    ),
    "The watched directory {root} does not exist: create it or correct AEGIS_WATCH_URL.": (
        "Den beobachteten Ordner {root} gibt es nicht: Legen Sie ihn an, oder berichtigen Sie AEGIS_WATCH_URL."
    ),
    "The watched object is not a file inside the watched directory.": (
        "Das beobachtete Objekt ist keine Datei im beobachteten Ordner."
    ),
    "The watched object is gone.": "Das beobachtete Objekt ist nicht mehr da.",
    "The watched directory is missing or empty: is it mounted?": "Der beobachtete Ordner fehlt oder ist leer: Ist er eingehängt?",
    "The watched object may not be read: give the platform's user the permission to read it, then retry.": (
        "Das beobachtete Objekt darf nicht gelesen werden: Geben Sie dem Benutzer der Plattform das Leserecht, und versuchen Sie es"
        " erneut."
    ),
    "The watched object cannot be read ({error}).": "Das beobachtete Objekt ist nicht lesbar ({error}).",
}
