// The one place that keeps bars, states and numbers alive: on the dashboard, in the list and on a document's page. Events from the
// server say how a document stands; where a proxy holds them back, the same numbers are asked for again and again. A tab that nobody
// looks at has neither.
//
// <div data-progress-url=".../progress"> is a document in detail; <div data-states-url=".../states"> holds any number of elements with
// data-document. In these, or in the table row around them, are shown: <progress>, .state, data-field="percent", data-field="eta",
// [data-message], and in detail [data-stage] with data-field for each count. Texts go in as text, never as markup.
// Other scripts hear "aegis:changed" with what was told, and "aegis:rest" once a document is at rest.
"use strict";
(() => {
  const begin = () => {
    const FIRST_MS = 10_000; // without a first event the stream is held back somewhere
    const SILENT_MS = 40_000; // the server beats every 15 s
    const POLL_MS = 2_000;
    const RESTING_POLL_MS = 10_000;
    const AGAIN_MS = 300_000; // then the stream is tried again
    const MOST = 500;
    const COUNTED_AT_ONCE = 10;
    const GATHERED_MS = 200; // documents of one run end together
    const MOVING = new Set(["pending", "queued", "running", "removing"]);
    const words = JSON.parse(document.getElementById("words")?.textContent || "{}");

    // Showing
    const put = (root, selector, text) => {
      const element = root.querySelector(selector);
      if (element && element.textContent !== String(text)) element.textContent = text;
    };
    const fill = (pattern, ...values) => values.reduce((text, value) => text.replace("{}", value), pattern || "{}");
    const duration = (seconds) => {
      const left = Math.ceil(seconds);
      if (left < 60) return fill(words["{} s"], left);
      if (left < 3600) return fill(words["{} min {} s"], Math.floor(left / 60), left % 60);
      return fill(words["{} h {} min"], Math.floor(left / 3600), Math.floor((left % 3600) / 60));
    };
    function show(root, now) {
      const ended = MOVING.has(root.dataset.state) && !MOVING.has(now.state);
      root.dataset.state = now.state;
      const bar = root.matches("progress") ? root : root.querySelector("progress");
      const scope = root.closest("tr") || root;
      if (bar) [bar.value, bar.dataset.state] = [now.fraction, now.state];
      const label = scope.querySelector(".state");
      if (label) [label.textContent, label.className] = [words[now.state] || now.state, `state state-${now.state}`];
      put(scope, '[data-field="percent"]', `${Math.floor(now.fraction * 100)} %`);
      if ("message" in now) put(scope, "[data-message]", now.message);
      if ("eta_seconds" in now) put(scope, '[data-field="eta"]', now.eta_seconds ? fill(words["{} to go"], duration(now.eta_seconds)) : "");
      for (const [stage, counts] of Object.entries(now.stages || {})) {
        const row = scope.querySelector(`[data-stage="${stage}"]`);
        if (row) for (const [field, count] of Object.entries(counts)) put(row, `[data-field="${field}"]`, count);
      }
      document.dispatchEvent(new CustomEvent("aegis:changed", { detail: now }));
      if (ended) document.dispatchEvent(new CustomEvent("aegis:rest", { detail: now }));
    }

    // Hearing: start and stop may be called at any time. look: one answer by asking; moves: whether to ask often.
    function source({ stream, events, look, moves }) {
      let opened = null, timer = 0, watch = 0, heard = 0, first = true, polls = 0, off = false;
      const says = (mode) => { document.documentElement.dataset.live = mode; };
      function stop() {
        opened?.close();
        opened = null;
        window.clearTimeout(timer);
        window.clearInterval(watch);
        says("resting");
      }
      function start() {
        stop();
        if (off || document.hidden || !stream()) return;
        if (polls && Date.now() - polls < AGAIN_MS) return poll();
        [polls, heard, first] = [0, Date.now(), true];
        opened = new EventSource(stream());
        const hear = (handle) => (event) => {
          [heard, first] = [Date.now(), false];
          says("events");
          handle(JSON.parse(event.data));
        };
        for (const [name, handle] of Object.entries({ beat: () => {}, ...events })) opened.addEventListener(name, hear(handle));
        opened.addEventListener("error", () => { if (opened?.readyState === EventSource.CLOSED) fallBack(); });
        watch = window.setInterval(() => { if (Date.now() - heard > (first ? FIRST_MS : SILENT_MS)) fallBack(); }, 1000);
      }
      function fallBack() {
        stop();
        polls = Date.now();
        poll();
      }
      async function poll() {
        says("polling");
        try { off = !(await look()); } catch { /* the network, or a server that is being restarted: ask again */ }
        if (off) says("off");
        else if (!document.hidden) timer = window.setTimeout(Date.now() - polls < AGAIN_MS ? poll : start, moves() ? POLL_MS : RESTING_POLL_MS);
      }
      document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
      window.addEventListener("pagehide", stop);
      window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
      start();
      return start;
    }
    // Gives the answer, null where there is none yet, and ends the asking by false where nobody may ask any more.
    async function ask(url, handle) {
      const reply = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (reply.ok) handle(await reply.json());
      return reply.status !== 401 && reply.status !== 403 && reply.status !== 404;
    }

    const page = document.querySelector("[data-progress-url]");
    if (page) {
      const url = page.dataset.progressUrl;
      const tell = (now) => show(page, now);
      document.addEventListener("aegis:rest", () => window.location.reload()); // what came out is more than numbers
      source({
        stream: () => url.replace(/progress$/, "events"),
        events: { progress: tell, gone: () => window.location.assign(new URL("../../", window.location)) },
        look: () => ask(url, tell),
        moves: () => MOVING.has(page.dataset.state),
      });
    }

    const list = document.querySelector("[data-states-url]");
    if (list) {
      const told = new Map();
      const elements = () => [...list.querySelectorAll("[data-document]")];
      const ids = () => [...new Set(elements().map((element) => element.dataset.document))].sort().slice(0, MOST);
      const address = (url) => `${url}?${new URLSearchParams(ids().map((id) => ["id", id]))}`;
      const tell = (now) => {
        told.set(now.document, now);
        for (const element of elements()) if (element.dataset.document === now.document) show(element, now);
      };
      let shown = ids().join();
      const start = source({
        stream: () => ids().length && address(list.dataset.statesUrl.replace(/states$/, "events")),
        events: { standing: tell, gone: (now) => told.delete(now.document) },
        look: () => (ids().length ? ask(address(list.dataset.statesUrl), (now) => now.documents.forEach(tell)) : true),
        moves: () => elements().some((element) => MOVING.has(element.dataset.state)),
      });
      async function count(documents) {
        for (let at = 0; at < documents.length; at += COUNTED_AT_ONCE) {
          const some = new URLSearchParams(documents.slice(at, at + COUNTED_AT_ONCE).map((id) => ["id", id]));
          try {
            await ask(`${list.dataset.entitiesUrl}?${some}`, (now) => {
              for (const [id, entities] of Object.entries(now.entities)) put(list, `[data-entities="${id}"]`, entities);
            });
          } catch { return; /* the rest of the list helps without */ }
        }
      }
      if (list.dataset.entitiesUrl) {
        count([...list.querySelectorAll("[data-entities]")].map((element) => element.dataset.entities));
        const ended = new Set();
        document.addEventListener("aegis:rest", (event) => {
          if (!ended.size) window.setTimeout(() => { count([...ended]); ended.clear(); }, GATHERED_MS);
          ended.add(event.detail.document);
        });
      }
      // A part of the page that was fetched may be older than the last event, and may show others.
      document.addEventListener("htmx:afterSwap", () => {
        for (const element of elements()) if (told.has(element.dataset.document)) show(element, told.get(element.dataset.document));
        if (ids().join() === shown) return;
        shown = ids().join();
        start();
      });
    }
  };
  // Django's lists name it in the head, without defer.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
