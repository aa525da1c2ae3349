import unittest

from wordcount import count


class Count(unittest.TestCase):
    def test_most_frequent_first(self):
        self.assertEqual(count("to be or not to be, to")[0], ("to", 3))

    def test_case_does_not_matter(self):
        self.assertEqual(count("The the THE"), [("the", 3)])


if __name__ == "__main__":
    unittest.main()
