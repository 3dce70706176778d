"""The models and this machine as an editor shows them: what there is to see, and what can be done.

``views`` holds the words, as plain data; ``counter`` follows the worker and does what is chosen.
"""
