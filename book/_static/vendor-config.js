// Loaded between require.js and embed-amd.js: find the widget packages and fonts on this site.
(function () {
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI).href;
  const vendor = root + "_static/vendor/";
  window.require.config({
    paths: {
      anywidget: vendor + "anywidget/index",
      "@jupyter-widgets/html-manager/dist/libembed-amd": vendor + "libembed-amd",
    },
  });
  // html-manager calls the MathJax 2 interface; hand its requests to MathJax 4.
  window.addEventListener("load", () => {
    const MJ = window.MathJax;
    if (MJ && !MJ.Hub) MJ.Hub = { Queue: (job) => MJ.startup.promise.then(() => MJ.typesetPromise([job[2]])) };
  });
})();
