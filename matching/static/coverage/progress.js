// Asks for the state of the running check each second and shows it; without this file a link does the same.
"use strict";
(() => {
  const shown = document.getElementById("coverage-now");
  const phase = document.getElementById("coverage-phase");
  if (!shown) return;
  const SECOND = 1000;
  let failures = 0;
  const sayPhase = () => {
    const said = shown.querySelector(".coverage-phase").textContent.trim();
    if (phase.textContent !== said) phase.textContent = said;  // a screen reader hears a new phase, not each number
  };
  const look = async () => {
    try {
      const answer = await fetch(shown.dataset.url, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
      if (fresh.dataset.state !== "ACTIVE") {
        window.location.reload();
        return;
      }
      shown.replaceChildren(fresh);
      sayPhase();
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 5) {  // signed out, or the network is gone: the page itself says what to do
        window.location.reload();
        return;
      }
    }
    window.setTimeout(look, SECOND * (1 + failures));
  };
  sayPhase();
  window.setTimeout(look, SECOND);
})();
