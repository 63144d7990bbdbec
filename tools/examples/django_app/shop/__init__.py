"""A Shopify app in Django.

Run it: gunicorn --preload --workers 2 --threads 8 shop.wsgi
or:     uvicorn shop.asgi:application
"""
