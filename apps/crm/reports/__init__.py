"""The numbers of a sales team: what is asked, what is counted, and the tables that pages, files and REST are made of."""
