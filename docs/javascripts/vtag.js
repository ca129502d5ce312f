// What the theme leaves out for screen readers and keyboards. It adds some elements late.
let blocks = 0;
function complete() {
  document.querySelector('[data-md-component="search"]')?.setAttribute("aria-label", "Search");
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap")) wide.tabIndex = 0;
  for (const buttons of document.querySelectorAll(".md-code__nav:not([aria-label])")) {
    blocks += 1;
    buttons.setAttribute("aria-label", `Code block ${blocks}`);
  }
}
complete();
new MutationObserver(complete).observe(document.body, { childList: true, subtree: true });
