// What pages gain where scripts run: moments in the viewer's own zone, buttons that copy, clicks that count once.
(() => {
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.textContent = moment.format(at);
      time.dataset.local = "";
    }
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  // A page that looks after itself must not take away what somebody is reading or filling in.
  const busy = (target) => target.contains(document.activeElement) &&
    document.activeElement.matches("input, select, textarea, summary");

  // Asks whether something has happened, while somebody looks; parts of the page that look after themselves hear of it.
  const follow = async () => {
    const { news, seen } = document.body.dataset;
    if (document.visibilityState === "visible") {
      const answer = await fetch(`${news}?after=${seen}`, { redirect: "manual" });
      // One that knows us no longer sends us to the sign-in, or has no such team for us.
      if (answer.type === "opaqueredirect" || answer.status === 404) return;
      if (!answer.ok) throw new Error(`news: ${answer.status}`);
      const { position, changed } = await answer.json();
      document.body.dataset.seen = position;
      if (changed) htmx.trigger(document.body, "news");
    }
    setTimeout(again, 1500);
  };
  // A server that is away for a moment is asked again.
  const again = () => follow().catch(() => setTimeout(again, 5000));
  if (document.body.dataset.news && document.querySelector("[data-live]")) setTimeout(again, 1000);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches?.("[data-live]") && busy(event.target)) event.preventDefault();
  });
  document.addEventListener("htmx:load", (event) => localise(event.target));
  // A slider has an effect when it is let go, without a click more; with the keyboard it takes several steps to get
  // somewhere, and the button beside it.
  let pointing = false;
  document.addEventListener("pointerdown", () => { pointing = true; });
  document.addEventListener("keydown", () => { pointing = false; });
  document.addEventListener("change", (event) => {
    if (pointing && event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
  // Who went to a place with it goes on from there.
  if (new URLSearchParams(location.search).has("version")) document.querySelector("[data-submits]")?.focus();
  // What changes something is sent once: a second click would take away the answer to the first.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if ("sent" in form.dataset) event.preventDefault();
    else {
      form.dataset.sent = "";
      // Where the answer does not come, or is not waited for, it can be sent again: the server does it once.
      setTimeout(() => delete form.dataset.sent, 5000);
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  localise(document);
})();
