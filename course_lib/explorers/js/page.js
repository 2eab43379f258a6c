// What every widget needs of the page: a way to make elements, to know whether the page is dark, to unpack its bytes.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) k === "text" ? (node.textContent = v) : node.setAttribute(k, v);
  node.append(...children);
  return node;
};

// JupyterLab, the website's theme and VS Code each say it in their own way.
function isDark() {
  const html = document.documentElement, body = document.body;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (html.dataset.theme) return html.dataset.theme === "dark";
  if (body.classList.contains("vscode-dark")) return true;
  if (body.classList.contains("vscode-light")) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches && !document.querySelector(".jp-Notebook, .reveal");
}

// The widget's data arrive deflated.
async function inflate(view) {
  const stream = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(stream).arrayBuffer());
}

export { inflate, isDark, make };
