"use strict";
// The page says everything without this script. It unfolds what a link leads to, and adds buttons that copy.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let element = target; element; element = element.parentElement) {
    if (element instanceof HTMLDetailsElement) element.open = true;
  }
  if (target) target.scrollIntoView();
}

function offerCopy(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const line = document.createElement("span");
  line.className = "copied";
  code.replaceWith(line);
  line.append(code, button);
}

addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => {
  for (const subject of document.querySelectorAll("details.subject")) subject.open = true;
});
document.addEventListener("click", (event) => {
  // A second click on the same link changes no address, and still has to unfold what was folded since.
  const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
  if (link && link.getAttribute("href") === location.hash) unfold();
});
document.querySelectorAll("code.replay").forEach(offerCopy);
if (location.hash) unfold();
