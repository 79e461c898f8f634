"""Django's settings, derived from `aegis_assets.settings`."""

from __future__ import annotations

import secrets

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from aegis_assets.errors import Misconfigured
from aegis_assets.postgres_options import connection_options
from aegis_assets.settings import ROOT, settings

_settings = settings()
try:
    _database = conninfo_to_dict(_settings.postgres_url.get_secret_value() or "postgresql://aegis@127.0.0.1/aegis")
except ProgrammingError:
    raise Misconfigured("AEGIS_POSTGRES_URL is no address: it looks like postgresql://user:password@host:5432/name.") from None

# Without the stack's key a random one: a known one would let anybody sign a session.
SECRET_KEY = _settings.secret_key.get_secret_value() or secrets.token_urlsafe(50)
DEBUG = _settings.debug
ALLOWED_HOSTS = [host.strip() for host in _settings.allowed_hosts.split(",") if host.strip()]
BASE_DIR = ROOT
ROOT_URLCONF = "webadmin.urls"
ASGI_APPLICATION = "webadmin.asgi.application"

INSTALLED_APPS = [
    "webadmin.console.apps.ConsoleConfig",  # before unfold: its templates replace some of unfold's
    "unfold.apps.BasicAppConfig",
    "webadmin.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "webadmin.documents",
    "webadmin.monitoring",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "webadmin.security.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "webadmin.security.requests_are_text",
    "webadmin.console.people.sessions.LimitedSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "webadmin.console.people.bearer.bearer",
    "webadmin.console.people.rates.limited_rate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "webadmin.security.FormsAreText",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.pop("dbname", ""),
        "USER": _database.pop("user", ""),
        "PASSWORD": _database.pop("password", ""),
        "HOST": _database.pop("host", ""),
        "PORT": _database.pop("port", ""),
        "OPTIONS": connection_options("aegis admin", _database),  # sslmode and the like come with the address
    }
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [ROOT / "webadmin" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = None
# Files are served from the packages they lie in: no collectstatic step that a start could forget.
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

UNFOLD = {
    "SITE_TITLE": "Aegis",
    "SITE_HEADER": "Aegis",
    "SITE_URL": None,  # the console is the whole site
    "SHOW_LANGUAGES": True,
    "LOGIN": {"form": "webadmin.console.people.login.ThrottledForm"},
}
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
FILE_UPLOAD_HANDLERS = ["webadmin.console.upload.handlers.LimitedUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 40_000  # a bulk action names each document that it is for; the size limit of 2.5 MB stays
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # a thousand outcomes do not fit into a cookie

CSRF_FAILURE_VIEW = "webadmin.console.api.errors.csrf_failure"
SESSION_COOKIE_AGE = _settings.session_idle_minutes * 60  # and console/people/sessions.py
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _settings.production or bool(_settings.tls_cert)
if _settings.production:
    SECURE_SSL_REDIRECT = True
    # Asked inside the machine. A token goes over https.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", *([r"^metrics$"] if _settings.metrics_open_to == "loopback" else [])]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    # No SECURE_PROXY_SSL_HEADER, which would believe anybody: uvicorn says that it was https, of proxies in AEGIS_TRUSTED_PROXIES.
    CSRF_TRUSTED_ORIGINS = [f"https://{'*' if host.startswith('.') else ''}{host}" for host in ALLOWED_HOSTS if host != "*"]
    if not _settings.secret_key.get_secret_value():
        raise Misconfigured("AEGIS_SECRET_KEY must be set in production.")
    if DEBUG:
        raise Misconfigured("AEGIS_DEBUG shows tracebacks and settings to everybody: it cannot be on in production.")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "webadmin.console.people.passwords.LengthValidator", "OPTIONS": {"min_length": 12}},
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
    ),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": _settings.log_level},
    "loggers": {"httpx": {"level": "WARNING"}},  # one line per poll of the GraphQL API otherwise
}
