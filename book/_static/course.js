// Figures: the course's own need one small script. Other widgets' libraries (4 MB) are fetched only by a page that shows one.
(function () {
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI).href;
  const vendor = root + "_static/vendor/";
  const load = (address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.charset = "utf-8"; // whatever the page says of itself
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });

  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const bytesOf = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  // Each figure where its view stands, from the state that the page holds; the rest is left to the widget libraries.
  async function showFigures() {
    const state = {};
    for (const script of document.querySelectorAll(STATE)) Object.assign(state, JSON.parse(script.textContent).state);
    const kindOf = (entry) => (entry?.state.spec ? "explorer" : entry?.state.training ? "live" : "");
    const views = [...document.querySelectorAll(VIEW)].map((script) => ({ script, entry: state[JSON.parse(script.textContent).model_id] }));
    const own = views.filter(({ entry }) => kindOf(entry));
    if (own.length) await load(root + "_static/figures.js");
    for (const { script, entry } of own) {
      const values = { ...entry.state }, el = document.createElement("div");
      for (const { path, data } of entry.buffers ?? []) values[path[0]] = bytesOf(data);
      el.className = "widget-subarea";
      script.before(el);
      const model = { get: (name) => values[name], set(name, value) { values[name] = value; }, save_changes() {}, on() {}, off() {} };
      // A figure that cannot be drawn leaves its still picture, and the others.
      await window.courseFigures[kindOf(entry)]({ model, el }).catch((error) => console.error(error));
    }
    if (own.length === views.length) return;
    for (const { script } of own) script.type = "application/json"; // drawn
    await showWidgets();
  }

  async function showWidgets() {
    await load(vendor + "require.js"); // after all other scripts, so that none of them takes it for its own loader
    window.require.config({
      paths: {
        anywidget: vendor + "anywidget/index",
        "@jupyter-widgets/html-manager/dist/libembed-amd": vendor + "libembed-amd", // where its fonts lie
      },
    });
    // The manager calls the MathJax 2 interface; hand its requests to MathJax 4.
    const MJ = window.MathJax;
    if (MJ && !MJ.Hub) MJ.Hub = { Queue: (job) => MJ.startup.promise.then(() => MJ.typesetPromise([job[2]])) };
    await load(vendor + "embed-amd.js"); // draws what it finds as soon as it is there
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
    skipped = [...document.querySelectorAll(blocks)].filter((block) => !block.querySelector('[type*="widget-view"], .course-explorer, .course-live'));
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
    whenFormulasAreSet();
  });
  if (document.querySelector(VIEW)) showFigures();
})();
