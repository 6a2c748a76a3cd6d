"""Pages of documents outside the admin: contents, and what people without an account are given by a link."""

from django.urls import URLPattern, URLResolver, path

from apps.documents.pages import accepting, contents, shared

app_name = "documents"
urlpatterns: list[URLPattern | URLResolver] = [
    path("documents/versions/<int:version_id>/content/", contents.content, name="content"),
    path("documents/versions/<int:version_id>/preview/", contents.preview, name="preview"),
    path("documents/versions/<int:version_id>/thumbnail/", contents.thumbnail, name="thumbnail"),
    path("documents/versions/<int:version_id>/pages/<int:number>/", contents.page, name="page"),
    path("sign/<str:token>/", accepting.accept, name="accept"),
    path("sign/<str:token>/content/", accepting.content, name="accept_content"),
    path("sign/<str:token>/pages/<int:number>/", accepting.picture, name="accept_page"),
    path("sign/<str:token>/evidence/", accepting.evidence, name="accept_evidence"),
    path("s/<str:token>/", shared.share, name="share"),
    path("s/<str:token>/pages/<int:number>/", shared.page, name="share_page"),
]
