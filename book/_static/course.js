// Widgets: their libraries (4 MB) are fetched only by pages that show one, and only after the page is painted.
(function () {
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI).href;
  const vendor = root + "_static/vendor/";
  const load = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = vendor + name;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });

  async function showWidgets() {
    await load("require.js"); // after all other scripts, so that none of them takes it for its own loader
    window.require.config({
      paths: {
        anywidget: vendor + "anywidget/index",
        "@jupyter-widgets/html-manager/dist/libembed-amd": vendor + "libembed-amd", // where its fonts lie
      },
    });
    // The manager calls the MathJax 2 interface; hand its requests to MathJax 4.
    const MJ = window.MathJax;
    if (MJ && !MJ.Hub) MJ.Hub = { Queue: (job) => MJ.startup.promise.then(() => MJ.typesetPromise([job[2]])) };
    await load("embed-amd.js"); // draws what it finds as soon as it is there
  }
  // From a folder, a browser may not read the pages for excerpts: the search then lists titles alone.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // The arrows that unfold the side bar say what they unfold.
  for (const arrow of document.querySelectorAll(".bd-sidebar-primary li > details > summary"))
    arrow.setAttribute("aria-label", "Pages of " + arrow.closest("li").querySelector("a").textContent.trim());

  // A chapter has thousands of formula parts. Blocks far from the screen keep their height, and are not painted with
  // every move of a slider. Explorers watch their own size, so they stay as they are.
  let skipped = [];
  function skipFarBlocks() {
    for (const block of skipped) block.style.contentVisibility = "";
    const blocks = ".bd-article section > :not(section, h1, h2, h3, h4, aside, span)";
    skipped = [...document.querySelectorAll(blocks)].filter((block) => !block.querySelector('[type*="widget-view"]'));
    for (const block of skipped) block.style.contain = "layout paint style";
    const heights = skipped.map((block) => block.getBoundingClientRect().height);
    skipped.forEach((block, i) => {
      block.style.containIntrinsicBlockSize = `auto ${heights[i]}px`;
      block.style.overflowClipMargin = "12px";
      block.style.contentVisibility = "auto";
    });
  }
  async function whenFormulasAreSet() {
    await window.MathJax?.startup?.promise;
    await document.fonts.ready;
    skipFarBlocks();
    let width = innerWidth, wait = 0;
    window.addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(wait);
      wait = setTimeout(skipFarBlocks, 200);
    });
  }

  // On paper: light colours, and formulas that are wider than the sheet made smaller. What the screen showed comes
  // back afterwards. Solutions are printed where the reader has opened them.
  const SHEET = 620; // pixels of text on a narrow sheet
  const html = document.documentElement;
  let theme = null; // of the screen, while a sheet is printed
  const repaint = () => {
    document.querySelectorAll(".course-explorer").forEach((root) => root.explorer?.repaint());
    document.querySelectorAll(".course-live").forEach((root) => root.live?.train(0)); // no step, drawn anew
  };
  window.addEventListener("beforeprint", () => {
    theme ??= html.dataset.theme;
    html.dataset.theme = "light";
    for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
      const contents = document.createRange();
      contents.selectNodeContents(formula.querySelector("mjx-math") ?? formula);
      const { width } = contents.getBoundingClientRect();
      if (width > SHEET) formula.style.setProperty("--on-paper", (SHEET / width).toFixed(3));
    }
    repaint();
  });
  window.addEventListener("afterprint", () => {
    html.dataset.theme = theme ?? html.dataset.theme;
    theme = null;
    repaint();
  });

  window.addEventListener("load", () => {
    if (document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) requestAnimationFrame(() => setTimeout(showWidgets));
    whenFormulasAreSet();
  });
})();
