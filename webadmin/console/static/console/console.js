// What unfold's templates take from the window, registered for Alpine's CSP build, which knows no globals.
"use strict";
document.addEventListener("alpine:init", () => {
  const { Alpine } = window;
  document.documentElement.classList.remove("dark"); // theme.js set it; from here on Alpine does, and takes away only what it set
  Alpine.data("theme", (chosen) => window.theme(chosen));
  Alpine.data("searchForm", () => window.searchForm());
  Alpine.data("page", () => ({
    activeTab: "general",
    sidebarMobileOpen: false,
    sidebarDesktopOpen: Alpine.$persist(true).as("sidebarDesktopOpen"),
    toggleSidebar() {
      if (window.matchMedia("(min-width: 80rem)").matches) this.sidebarDesktopOpen = !this.sidebarDesktopOpen;
      else this.sidebarMobileOpen = !this.sidebarMobileOpen;
    },
  }));
});

// A page that nobody looks at asks for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.hasAttribute("data-polls")) event.preventDefault();
});

// What a page asks by itself keeps no session alive.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.hasAttribute("data-polls")) event.detail.headers["Aegis-Poll"] = "1";
});

// A region that scrolls sideways is reached by the keyboard too.
const reachable = () => document.querySelectorAll(".scrolls:not([tabindex])").forEach((region) => { region.tabIndex = 0; });
document.addEventListener("DOMContentLoaded", reachable);
document.addEventListener("htmx:afterSettle", reachable);
