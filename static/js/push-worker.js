// Shows a message that the push service has handed to the browser, once for each of them, and opens its page.

addEventListener("push", (event) => {
  const told = event.data?.json() ?? {};
  event.waitUntil(
    registration.showNotification(told.title ?? "Artel", {
      body: told.body === told.title ? "" : told.body,
      tag: told.tag,
      lang: told.lang,
      data: { url: told.url },
    }),
  );
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url } = event.notification.data;
  if (url) event.waitUntil(clients.openWindow(url));
});
