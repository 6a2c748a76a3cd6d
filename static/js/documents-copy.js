// Copies the address of a new share link; without a clipboard it is selected, to be copied by hand.
const button = document.querySelector("[data-copy]");
const field = document.querySelector("[data-copy-from]");

field?.select();
if (button && field && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.done;
    } catch {
      field.select();
    }
  });
}
