// Passkeys. Only pages that offer one load this file.
(() => {
  for (const button of document.querySelectorAll("[data-passkey]")) {
    const form = button.form, note = document.createElement("p");
    note.role = "alert";
    note.className = "error";
    button.hidden = false;
    button.onclick = async () => {
      note.remove();
      try {
        const options = JSON.parse(button.dataset.passkey), P = PublicKeyCredential;
        const made = options.rp
          ? await navigator.credentials.create({ publicKey: P.parseCreationOptionsFromJSON(options) })
          : await navigator.credentials.get({ publicKey: P.parseRequestOptionsFromJSON(options) });
        form.elements[button.dataset.field].value = JSON.stringify(made);
        form.submit();
      } catch (error) {
        note.textContent = {
          NotAllowedError: "Canceled, or it took too long. Try again.",
          InvalidStateError: "This device already has a passkey for your account.",
          SecurityError: "Open the console at its public URL to use passkeys.",
        }[error.name] ?? "This browser cannot use passkeys here: " + error.message;
        button.after(note);
      }
    };
  }
})();
