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

// Without a secure connection browsers offer only the old way, by a selection.
async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "desk-told";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("not copied");
}

// Ids are copied by a button, which says so to eyes and, through the page's status, to ears.
function copyButtons() {
  const told = document.querySelector("#told");
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    const name = button.textContent;
    button.addEventListener("click", async () => {
      let said = button.dataset.done;
      try {
        await toClipboard(button.dataset.copy);
        button.textContent = "\u2713 " + name;
      } catch {
        said = told.dataset.failed;
        told.classList.add("is-shown");
      }
      button.focus();
      told.textContent = "";
      setTimeout(() => { told.textContent = said; }, 50); // the same words twice are read out twice
      setTimeout(() => { button.textContent = name; }, 3000);
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes();
  poll();
  enterOpensFirst();
  copyButtons();
});
