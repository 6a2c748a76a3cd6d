"""
Texts of the admin's own pages, collected with ours: Django and unfold leave them in English, or say them of
"objects" and without regard to the gender of what is named. A project's catalog is asked before a package's.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext_lazy

FROM_UNFOLD = [
    _("Select record"),
    _("Select action"),
    _("Select action to run"),
    _("Run"),
    _("Select all rows"),
    _("Apply Filters"),
    _("Reset filters"),
    _("From"),
    _("To"),
    _("Date from"),
    _("Date to"),
    _("Date"),
    _("True"),
    _("False"),
    _("Type to search"),
    _("Recent searches"),
    _("No recent searches"),
    _("No results matching your query"),
    _("Loading more results..."),
    _("No results found"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Search apps and models..."),
    _("All applications"),
    _("No data"),
    _("Not enough data."),
    _("General"),
    _("More actions"),
    _("Expand row"),
    _("Collapse"),
    _("Add row"),
    _("Add new item"),
    _("This item will be deleted."),
    _("Click to cancel"),
    _("Select value"),
    _("Choose file to upload"),
    _("Click to download"),
    _("Current file"),
    _("Image preview"),
    _("Record picture"),
    _("Toggle password visibility"),
    _("Go back"),
    _("Previous"),
    _("Next"),
    _("Return to site"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
    ngettext_lazy(
        "\n                Found %(counter)s result in %(time)s seconds\n            ",
        "\n                Found %(counter)s results in %(time)s seconds\n            ",
    ),
]

FROM_DJANGO = [
    _("Add %s"),
    _("Change %s"),
    _("View %s"),
    _("Add %(name)s"),
    _("Add another %(verbose_name)s"),
    _("Add another %(model)s"),
    _("Change selected %(model)s"),
    _("Delete selected %(model)s"),
    _("View selected %(model)s"),
    _("Select %s"),
    _("Select %s to change"),
    _("Select %s to view"),
    _("Select this object for an action - {}"),
    _("Select all objects on this page for an action"),
    _("Click here to select the objects across all pages"),
    _("Items must be selected in order to perform actions on them. No items have been changed."),
    _("0 of %(cnt)s selected"),
    ngettext_lazy("%(total_count)s selected", "All %(total_count)s selected"),
    _("Save and add another"),
    _("Save and continue editing"),
    _("Save as new"),
    _("The {name} “{obj}” was added successfully."),
    _("You may edit it again below."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully."),
    _("The {name} “{obj}” was changed successfully. You may edit it again below."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    _("The %(name)s “%(obj)s” was deleted successfully."),
    _("%(name)s with ID “%(key)s” doesn’t exist. Perhaps it was deleted?"),
    ngettext_lazy(
        "%(count)s %(name)s was changed successfully.", "%(count)s %(name)s were changed successfully."
    ),
    _("Successfully deleted %(count)d %(items)s."),
    _("Delete selected %(verbose_name_plural)s"),
    _("Delete multiple objects"),
    _("Cannot delete %(name)s"),
    _(
        'Are you sure you want to delete the %(object_name)s "%(escaped_object)s"? '
        "All of the following related items will be deleted:"
    ),
    _(
        "Deleting the %(object_name)s '%(escaped_object)s' would require deleting the following protected "
        "related objects:"
    ),
    _(
        "Deleting the %(object_name)s '%(escaped_object)s' would result in deleting related objects, but your "
        "account doesn't have permission to delete the following types of objects:"
    ),
    _(
        "Are you sure you want to delete the selected %(objects_name)s? All of the following objects and their "
        "related items will be deleted:"
    ),
    _("Objects"),
    _("Yes, I’m sure"),
    _("No, take me back"),
    _("Summary"),
    _("Toggle sorting"),
    _("You don’t have permission to view or edit anything."),
    _("%(model_name)s with this %(field_label)s already exists."),
]
