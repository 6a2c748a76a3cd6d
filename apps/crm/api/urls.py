"""Addresses under /api/v1/crm/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.crm.api import intake, leads, views
from apps.crm.api.activities import ActivityViewSet, ParticipantViewSet
from apps.crm.api.automation import AutomationRuleViewSet, AutomationRunViewSet
from apps.crm.api.custom import CustomFieldViewSet
from apps.crm.api.imports import ImportViewSet
from apps.crm.api.inbound import inbound
from apps.crm.api.mail import UnmatchedMailViewSet
from apps.crm.api.personal import DisclosureViewSet, ErasureViewSet
from apps.crm.api.quotes import PriceBookViewSet, PriceViewSet, QuoteViewSet, StageApprovalViewSet
from apps.crm.api.reports import CurrencyRateViewSet, ReportViewSet, SalesPlanViewSet

router = SimpleRouter()
# What is asked most comes first: each address before costs a comparison.
router.register("deals", views.DealViewSet)
router.register("companies", views.CompanyViewSet)
router.register("people", views.PersonViewSet)
router.register("contact-points", views.ContactPointViewSet)
router.register("employments", views.EmploymentViewSet)
router.register("products", views.ProductViewSet)
router.register("tags", views.TagViewSet)
router.register("lost-reasons", views.LostReasonViewSet)
router.register("pipelines", views.PipelineViewSet)
router.register("stages", views.StageViewSet)
router.register("deal-lines", views.DealLineViewSet)
router.register("quotes", QuoteViewSet)
router.register("price-books", PriceBookViewSet)
router.register("prices", PriceViewSet)
router.register("stage-approvals", StageApprovalViewSet)
router.register("transitions", views.TransitionViewSet)
router.register("activities", ActivityViewSet)
router.register("participants", ParticipantViewSet)
router.register("unmatched-mail", UnmatchedMailViewSet)
router.register("imports", ImportViewSet)
router.register("reports", ReportViewSet, basename="report")
router.register("sales-plans", SalesPlanViewSet)
router.register("currency-rates", CurrencyRateViewSet)
router.register("leads", leads.LeadViewSet)
router.register("lead-arrivals", leads.ArrivalViewSet)
router.register("lead-forms", leads.LeadFormViewSet)
router.register("sources", leads.SourceViewSet)
router.register("disqualify-reasons", leads.DisqualifyReasonViewSet)
router.register("assignment-rules", leads.AssignmentRuleViewSet)
router.register("automation-rules", AutomationRuleViewSet)
router.register("automation-runs", AutomationRunViewSet)
router.register("absences", leads.AbsenceViewSet)
router.register("consents", leads.ConsentViewSet)
router.register("custom-fields", CustomFieldViewSet)
router.register("disclosures", DisclosureViewSet)
router.register("erasures", ErasureViewSet)
urlpatterns = [
    *router.urls,
    path("mail/inbound/", inbound, name="mail-inbound"),
    path("forms/<str:token>/", intake.receive, name="crm-form"),
]
