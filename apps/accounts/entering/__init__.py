"""How people come in: allauth, which serves the pages and the REST flows of logging in, taught the platform's rules."""
