// Begins what the page holds; volumes.js and viewer.js are only in pages with volumes.
document.querySelectorAll(".tablebox").forEach(enliven);
document.querySelectorAll("#methods").forEach(copyable);
if (document.querySelector("figure.viewer")) showVolumes();
