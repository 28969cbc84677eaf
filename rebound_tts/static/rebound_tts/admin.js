// What the admin's theme lacks for people who do not look at the page.

// The widget that finds rows by typing shows two fields in place of one; each is called what the hidden one is called.
window.addEventListener("load", () => {
  for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
    const name = select.labels[0]?.textContent.trim() || select.getAttribute("aria-label");
    if (!name) continue;
    for (const field of select.nextElementSibling?.querySelectorAll("[role=combobox], [role=textbox]") ?? []) {
      field.setAttribute("aria-label", name);
      field.removeAttribute("aria-labelledby");
    }
  }
});
