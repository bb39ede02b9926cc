"""Crawlers: errors and their fixes from Stack Overflow, GitHub, Hacker News and Reddit.

They ask official APIs only, as politely as these want it; they scrape no pages and run nothing
that they find. Needs the extra `crawlers`.
"""

from fixstream.producers.crawl.crawler import TechnicalDataCrawler

__all__ = ["TechnicalDataCrawler"]
