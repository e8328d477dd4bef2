// Reads back what a browser made of the report: everything is unfolded, measured, and told as JSON in an element of its own.
(() => {
  const root = document.documentElement;
  for (const details of document.querySelectorAll("details")) details.open = true;

  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) =>
    0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3) return colour;
      if (colour[3] === 1) return colour.slice(0, 3);
      if (colour[3] !== 0) throw new Error("a translucent background");
    }
    return [255, 255, 255];
  };
  const contrasts = [...document.querySelectorAll("body *:not(script)")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const pair = [numbers(getComputedStyle(element).color), behind(element)].map(luminance);
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
      return [ratio, `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`];
    })
    .sort((one, other) => one[0] - other[0]);

  const colour = (selector) => getComputedStyle(document.querySelector(selector)).backgroundColor;
  const wide = document.querySelector(".matrix");
  const scroller = wide.closest(".scroll");
  const place = (element) => element.getBoundingClientRect();
  const rows = wide.querySelectorAll("tbody tr");
  scroller.scrollLeft = 10000;
  scroller.scrollTop = 10000;
  if (getComputedStyle(scroller).overflowY === "visible") scrollTo(0, scrollY + place(rows[rows.length - 1]).top - 200);
  const bottom = getComputedStyle(scroller).overflowY === "visible" ? 0 : place(scroller).top;
  const sticks = {
    heading: Math.round(place(wide.querySelector("thead th")).top - bottom),
    rule: Math.round(place(rows[0].querySelector("th")).left - place(scroller).left),
  };
  const shown = () => [...document.querySelectorAll(".subject tbody tr")].filter((row) => row.offsetParent).length;
  const all = shown();
  document.getElementById("attention")?.click();

  const told = document.createElement("pre");
  told.id = "probe";
  told.textContent = JSON.stringify({
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    pageWidth: root.scrollWidth,
    page: colour("body"),
    cells: Object.fromEntries(
      ["pass", "fail", "error", "unexpected-pass", "expected-fail", "not-run"].map((name) => [name, colour(`td.${name}`)]),
    ),
    contrast: contrasts.slice(0, 5),
    texts: contrasts.length,
    scrolled: scroller.scrollLeft,
    sticks,
    rows: [all, shown()],
  });
  document.body.append(told);
})();
