"""`fixstream backtest`: how well would this do on one's own history of errors?"""
