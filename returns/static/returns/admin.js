// Comforts of the admin's pages of returns; every page says and does everything without this.

// Times in the viewer's own zone, on hover.
function localTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

// The progress of a run, read again until it is finished.
function poll() {
  const shown = document.querySelector("#progress[data-poll]");
  if (!shown) return;
  setTimeout(async () => {
    try {
      const answer = await fetch(window.location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("#progress");
      if (answer.ok && fresh) {
        const focused = document.activeElement && shown.contains(document.activeElement);
        shown.replaceWith(fresh);
        if (focused) fresh.querySelector("button, a")?.focus();
        localTimes();
      }
    } finally {
      poll();
    }
  }, Number(shown.dataset.poll));
}

// In the search field, Enter on a search that was made opens the first hit.
function enterOpensFirst() {
  const field = document.querySelector("#searchbar");
  const first = document.querySelector("#result_list tbody th a, #result_list tbody td a");
  if (!field || !first || !field.value) return;
  const made = field.value;
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && field.value === made) {
      event.preventDefault();
      window.location.href = first.href;
    }
  });
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes();
  poll();
  enterOpensFirst();
});
