() => {
  // Browsers know no type of many pictures (EXR, RAW, on some systems HEIC), and Gradio takes image/* only, without a
  // word about others. The page's server looks at what is in a file: each is sent there as some picture.
  const pictures = "image/*,.heic,.heif,.avif,.jxl,.exr,.dng,.cr2,.cr3,.nef,.arw,.orf,.rw2,.raf,.pef,.srw";
  const typed = (files) => {
    const all = new DataTransfer();
    for (const file of files)
      all.items.add(file.type.startsWith("image/") ? file : new File([file], file.name, { type: "image/unknown" }));
    return all.files;
  };
  const field = (event) => {
    const input = event.target.closest?.(".block")?.querySelector("input[type=file]");
    return input?.accept.startsWith("image/") ? input : null;
  };
  const listen = (kind, act) => document.addEventListener(kind, (event) => {
    const input = field(event);
    if (input) act(input, event);
  }, true);
  listen("click", (input) => { input.accept = pictures; });
  listen("change", (input, event) => { if (event.target === input) input.files = typed(input.files); });
  listen("drop", (input, event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
